//! Peers that take nothing.

use super::*;

/// Text that hardly compresses.
fn noise(seed: u64, letters: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from_u32(0x4e00 + (state % 0x5000) as u32).unwrap()
    };
    (0..letters).map(|_| letter()).collect()
}

/// A device that signs in over a small window, asks for all of a large community, and reads nothing of it.
async fn never_reads(relay: &RunningRelay) -> Live {
    let mut writer = enrolled(relay, COMMUNITY).await;
    for number in 0..300 {
        let mut edit = activity(fresh_id(), "大", 1);
        edit.edits.push(lastmile_crdt::Edit::set("note", noise(number, 10_000).as_str()));
        writer.save(vec![edit]);
    }
    apart(move || {
        while writer.unsent() > 0 {
            assert_eq!(writer.sync(), None)
        }
    })
    .await;
    let device = enrolled(relay, COMMUNITY).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let raw = Raw::over(socket.connect(relay.addr()).await.unwrap(), relay).await;
    let mut live = Live::on(raw, device, 64 << 20).await;
    // As far as the vectors: then it has asked.
    let mut asked = false;
    while !asked {
        let bytes = live.raw.next().await.unwrap();
        let mut out = Vec::new();
        feed(&mut live.session, &mut live.device, &bytes, &mut out).unwrap();
        asked = live.session.peer_scopes().next().is_some() && !out.is_empty();
        if !out.is_empty() {
            live.raw.say(out).await;
        }
    }
    live
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_dropped_at_the_write_stall() {
    let limits = Limits { write_stall: Duration::from_millis(700), ..Limits::default() };
    let (_folder, relay) = relay_with(LiveOptions::default(), limits).await;
    let live = never_reads(&relay).await;
    assert_eq!(relay.connected(), 1);
    until("it is dropped", || relay.connected() == 0).await;
    drop(live);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_author_is_put_out_even_if_it_takes_nothing() {
    let (_folder, relay) = relay().await;
    let stalled = never_reads(&relay).await;
    let mut reading = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    // Time to fill what lies between the two.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(relay.connected(), 2);
    let begun = Instant::now();
    for author in [stalled.device.author, reading.device.author] {
        let command = OfficeCommand::Revoke { author: author.to_string(), reason: "遗失".to_owned() };
        relay.office().run(command).await.unwrap();
    }
    until("both are gone", || relay.connected() == 0).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let (errors, ended) = reading.raw.end().await;
    assert_eq!(errors.last().map(|error| error.code), Some(Code::Revoked));
    assert_eq!(ended, Ended::Closed(4014));

    // It may come back to bring what it holds, and is served nothing.
    let mut other = Live::rested(&relay, enrolled(&relay, COMMUNITY).await).await;
    let mut back = Live::start(&relay, reading.device).await;
    let mut codes = back.errors_for_a_while().await;
    assert_eq!(relay.connected(), 2, "it is back");
    other.save("之后").await;
    codes.extend(back.errors_for_a_while().await);
    assert!(codes.contains(&Code::UploadOnly), "{codes:?}");
}
