//! Photos and files from the command line: attached, synced, listed and fetched; kept in a folder, or in a bucket.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use crate::lastmile::{COMMUNITY, Place, command, json, run, text};
use image::{Rgb, RgbImage};

fn photo(path: &Path) {
    let picture = RgbImage::from_fn(900, 700, |x, y| {
        let mixed = x.wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503)).to_le_bytes();
        Rgb([mixed[1], mixed[2] / 2, x.to_le_bytes()[0]])
    });
    picture.save(path).unwrap();
}

/// A relay with these options and variables, and two devices of a community.
struct Field {
    place: Place,
    child: Child,
}

impl Field {
    fn new(options: &[&str], variables: &[(&str, &str)]) -> Self {
        let place = Place::new();
        let (relay, address) = (place.text("relay"), place.text("address"));
        let mut line = vec!["relay", "serve", "--dir", &relay, "--listen", "127.0.0.1:0", "--address-file", &address];
        line.extend(options);
        let log = std::fs::File::create(place.path("log")).unwrap();
        let child = command(&line).envs(variables.iter().copied()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let field = Self { place, child };
        for _ in 0..1_200 {
            if std::fs::read_to_string(&address).is_ok_and(|text| text.contains(':')) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        for device in ["one", "two"] {
            let invite = field.place.text("invite");
            let _ = std::fs::remove_file(&invite);
            run(0, &["relay", "invite", "--dir", &relay, "--scope", COMMUNITY, "--out", &invite]);
            run(0, &["device", "init", "--invite-file", &invite, "--dir", &field.place.text(device)]);
        }
        field
    }

    /// Attaches a photo on one device and fetches it on the other; its hash.
    fn carry(&self) -> String {
        let (one, two) = (self.place.text("one"), self.place.text("two"));
        let file = self.place.text("现场.jpg");
        photo(Path::new(&file));
        let fields = ["title=清洁日", "category=environment", "date=2025-03-05", "beneficiaries=20"];
        let mut line = vec!["device", "add", "activity", "--dir", &one];
        line.extend(fields);
        let activity = json(0, &line)["id"].as_str().unwrap().to_owned();
        let attached = json(0, &["device", "attach", &activity, &file, "--dir", &one]);
        let hash = attached["hash"].as_str().unwrap().to_owned();
        assert_eq!((attached["form"].as_str(), attached["of"].as_str()), (Some("jpeg"), Some(&*activity)));
        let synced = json(0, &["device", "sync", "--dir", &one]);
        assert_eq!((&synced["files"]["sent"], &synced["files"]["more"]), (&2.into(), &false.into()), "{synced}");
        let synced = json(0, &["device", "sync", "--dir", &two]);
        assert_eq!(synced["files"]["fetched"], 1, "the small picture comes by itself: {synced}");
        let listed = json(0, &["device", "attachments", &activity, "--dir", &two]);
        let standing: Vec<_> = listed["attachments"].as_array().unwrap().iter().map(|one| &one["standing"]).collect();
        assert_eq!(standing, ["uploaded", "away"]);
        let to = self.place.text("fetched.jpg");
        run(0, &["device", "fetch-attachment", &hash[..12], "--to", &to, "--dir", &two]);
        assert_eq!(std::fs::read(&to).unwrap().len() as u64, attached["size"].as_u64().unwrap());
        assert!(image::open(&to).is_ok());
        let again = run(6, &["device", "fetch-attachment", &hash[..12], "--to", &to, "--dir", &two]);
        assert!(!again.stderr.is_empty(), "nothing is written over");
        hash
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_photo_goes_from_one_device_to_the_other() {
    let field = Field::new(&[], &[]);
    let hash = field.carry();
    let kept = field.place.path("relay").join("attachments/community").join(COMMUNITY).join(hash);
    assert!(kept.exists());
    let one = field.place.text("one");
    let shown = text(&run(0, &["device", "attachments", "--dir", &one, "--lang", "en"]));
    assert!(shown.contains("uploaded") && shown.contains("现场.jpg"), "{shown}");
    let broken = field.place.text("x.jpg");
    std::fs::write(&broken, b"MZ").unwrap();
    let activity =
        json(0, &["device", "list", "activity", "--dir", &one])["records"][0]["id"].as_str().unwrap().to_owned();
    for (language, said) in [("en", "only JPEG, PNG and WebP"), ("zh-CN", "只收 JPEG")] {
        let output = command(&["device", "attach", &activity, &broken, "--dir", &one, "--lang", language]).output();
        let output = output.unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{language}");
    }
    run(4, &["device", "fetch-attachment", "00112233", "--to", &field.place.text("none"), "--dir", &one]);
}

/// A bucket in memory behind the part of S3's protocol that a relay speaks.
struct Bucket {
    address: SocketAddr,
    objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Bucket {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let held = Arc::clone(&objects);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let held = Arc::clone(&held);
                std::thread::spawn(move || while answer(&stream, &held).is_some() {});
            }
        });
        Self { address, objects }
    }
}

/// Answers one request; `None` when no other comes.
fn answer(stream: &TcpStream, objects: &Mutex<BTreeMap<String, Vec<u8>>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let (method, path) = line.split_once(' ')?;
    let path = path.split(' ').next()?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    assert!(headers["authorization"].starts_with("AWS4-HMAC-SHA256 Credential=key/"), "{headers:?}");
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut objects = objects.lock().unwrap();
    let range = headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (status, extra, answer) = match (method, objects.get(&path)) {
        ("PUT", _) => {
            objects.insert(path, body);
            ("200 OK", String::new(), Vec::new())
        }
        ("GET", Some(held)) => {
            let (from, to) = range.map_or((0, held.len() - 1), |(from, to)| {
                (from.parse().unwrap(), to.parse::<usize>().unwrap().min(held.len() - 1))
            });
            let extra = format!("content-range: bytes {from}-{to}/{}\r\n", held.len());
            ("206 Partial Content", extra, held[from..=to].to_vec())
        }
        ("POST", _) => {
            // Several are removed by one request that names them.
            let text = String::from_utf8(body).unwrap();
            let mut said = "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
            for key in text.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap()) {
                objects.retain(|path, _| !path.ends_with(key));
                said.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
            }
            said.push_str("</DeleteResult>");
            ("200 OK", String::new(), said.into_bytes())
        }
        ("DELETE", _) => {
            objects.remove(&path);
            ("204 No Content", String::new(), Vec::new())
        }
        _ => ("404 Not Found", String::new(), Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"1\"\r\nlast-modified: Mon, 23 Nov 2026 08:00:00 GMT\r\n{extra}\r\n",
        answer.len()
    );
    let mut stream = stream;
    stream.write_all(&[head.into_bytes(), answer].concat()).ok()
}

#[test]
fn a_bucket_keeps_files_as_a_folder_does() {
    let bucket = Bucket::start();
    let endpoint = format!("http://{}", bucket.address);
    let variables = [
        ("AWS_ENDPOINT", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "local"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let field = Field::new(&["--set", "attachments.store=s3://photos/relay"], &variables);
    let hash = field.carry();
    let path = format!("/photos/relay/community/{COMMUNITY}/{hash}");
    assert!(bucket.objects.lock().unwrap().contains_key(&path), "{:?}", bucket.objects.lock().unwrap().keys());
    assert!(!field.place.path("relay/attachments").exists());
    let relay = field.place.text("relay");
    let listed = json(0, &["device", "attachments", "--dir", &field.place.text("one")]);
    let id = listed["attachments"][0]["id"].as_str().unwrap();
    run(0, &["office", "erase", id, "--type", "attachment", "--why", "本人要求", "--dir", &relay]);
    assert!(bucket.objects.lock().unwrap().is_empty(), "{:?}", bucket.objects.lock().unwrap().keys());
}
