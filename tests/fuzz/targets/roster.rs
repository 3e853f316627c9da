//! Rosters that somebody else's program wrote: CSV in any encoding, and workbooks.
//!
//! Laws: nothing panics; rows stand in their order and within the file's bounds; the same bytes read the same twice.

use lastmile_cli::roster::{Encoding, Options, read_bytes};
use rand::Rng;

use crate::mutate::{self, Random};
use crate::{cost, tally};

/// Reads a roster in each way that it can be asked for.
pub fn run(data: &[u8]) {
    for encoding in [Encoding::Auto, Encoding::Gb18030] {
        let options = Options { sheet: None, encoding };
        let Ok(roster) = cost::of(|| read_bytes(data, &options)) else { continue };
        tally::note(if data.starts_with(b"PK") { "a workbook" } else { "a roster" });
        assert!(roster.rows.is_sorted_by_key(|row| row.row_number));
        assert!(roster.bad_rows() <= roster.bad.len());
        assert!(roster.headings.len() <= 256);
        let again = read_bytes(data, &options).unwrap();
        assert_eq!(format!("{roster:?}"), format!("{again:?}"));
        if encoding == Encoding::Auto && !roster.rows.is_empty() {
            tally::note("rows");
        }
    }
}

const PARTS: [(&str, &str); 5] = [
    (
        "[Content_Types].xml",
        r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#,
    ),
    (
        "_rels/.rels",
        r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    ),
    (
        "xl/workbook.xml",
        r#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
    ),
    (
        "xl/_rels/workbook.xml.rels",
        r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#,
    ),
    (
        "xl/worksheets/sheet1.xml",
        r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:C3"/><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>姓名</t></is></c><c r="B1" t="inlineStr"><is><t>手机</t></is></c><c r="C1" t="inlineStr"><is><t>出生年月</t></is></c></row><row r="2"><c r="A2" t="inlineStr"><is><t>曹雨菲</t></is></c><c r="B2"><v>13900000001</v></c><c r="C2"><v>29221</v></c></row><row r="3"><c r="A3" t="inlineStr"><is><t>陈三</t></is></c><c r="B3" t="str"><v>0731-84441234</v></c><c r="C3"><v>1.5E+300</v></c></row></sheetData><mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells></worksheet>"#,
    ),
];

/// Reads the entries of an archive that holds them uncompressed.
fn unzip(data: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut parts = Vec::new();
    let mut rest = data;
    while rest.starts_with(b"PK\x03\x04") && rest.len() > 30 {
        let size = u32::from_le_bytes(rest[18..22].try_into().unwrap()) as usize;
        let name = usize::from(u16::from_le_bytes(rest[26..28].try_into().unwrap()));
        let extra = usize::from(u16::from_le_bytes(rest[28..30].try_into().unwrap()));
        let (Some(called), Some(body)) = (rest.get(30..30 + name), rest.get(30 + name + extra..)) else { break };
        let Some((body, after)) = body.split_at_checked(size) else { break };
        parts.push((called.to_vec(), body.to_vec()));
        rest = after;
    }
    parts
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// Writes an archive of uncompressed entries with right check sums.
fn zip(parts: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, body) in parts {
        let at = out.len() as u32;
        let mut head = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        head.extend(crc32(body).to_le_bytes());
        head.extend((body.len() as u32).to_le_bytes());
        head.extend((body.len() as u32).to_le_bytes());
        head.extend((name.len() as u16).to_le_bytes());
        head.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&head);
        out.extend(name);
        out.extend(body);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&head);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name);
    }
    let at = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((parts.len() as u16).to_le_bytes());
    out.extend((parts.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// A workbook, and the rosters of the importer's own tests.
pub fn seeds() -> Vec<Vec<u8>> {
    let parts: Vec<_> = PARTS.iter().map(|(name, body)| (name.as_bytes().to_vec(), body.as_bytes().to_vec())).collect();
    let mut seeds = vec![
        zip(&parts),
        "姓名,手机,出生年月\r\n曹雨菲,13900000001,1980-05\r\n陈三,0731-84441234,80.5\r\n".as_bytes().to_vec(),
    ];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|path| path.join("crates/lastmile-cli").is_dir());
    if let Some(root) = root {
        let fixtures = crate::run::files(&root.join("crates/lastmile-cli/tests/fixtures/roster"));
        seeds.extend(fixtures.into_iter().filter(|(path, _)| !path.ends_with("README.md")).map(|(_, bytes)| bytes));
    }
    seeds
}

/// Mutates cells and lines, or a part of a workbook whose check sums are put right.
pub fn mutate(data: &[u8], rng: &mut Random) -> Vec<u8> {
    const ODD: [&str; 14] = [
        "A1048576",
        "XFD1",
        "ZZZZ1",
        "A0",
        "1E+400",
        "-1",
        "NaN",
        "4294967296",
        "&#0;",
        "&lol;",
        "t=\"s\"",
        "t=\"e\"",
        "A1:XFD1048576",
        "<row r=\"1048577\">",
    ];
    let mut parts = unzip(data);
    if parts.is_empty() || rng.random_bool(0.1) {
        let mut bytes = data.to_vec();
        if rng.random_bool(0.5) && !bytes.starts_with(b"PK") {
            let at = rng.random_range(0..=bytes.len());
            bytes.splice(at..at, mutate::text(rng).into_bytes());
        } else {
            mutate::bytes(&mut bytes, rng);
        }
        return bytes;
    }
    let at = if rng.random_bool(0.7) { parts.len() - 1 } else { rng.random_range(0..parts.len()) };
    let body = &mut parts[at].1;
    match rng.random_range(0..5) {
        0 => mutate::bytes(body, rng),
        1..4 => {
            // A value between quotes or tags becomes another.
            let marks: Vec<usize> = (0..body.len()).filter(|at| matches!(body[*at], b'"' | b'>')).collect();
            if marks.is_empty() {
                return zip(&parts);
            }
            let from = marks[rng.random_range(0..marks.len())] + 1;
            let to = (from..body.len()).find(|at| matches!(body[*at], b'"' | b'<')).unwrap_or(body.len());
            let odd = if rng.random() { ODD[rng.random_range(0..ODD.len())].to_owned() } else { mutate::text(rng) };
            body.splice(from..to, odd.into_bytes());
        }
        _ => {
            let other = rng.random_range(0..parts.len());
            parts.swap(at, other);
        }
    }
    zip(&parts)
}
