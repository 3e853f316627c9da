//! Enrolment and exchange over HTTP.

use lastmile_log::AuthorKey;
use lastmile_model::Value;
use lastmile_protocol::Code;
use lastmile_protocol::enrol::{enrol_request, read_enrolled_response};
use lastmile_protocol::request::sign_body;
use lastmile_relay::InviteOrder;

use crate::device::{
    COMMUNITY, NOW, OTHER_COMMUNITY, activity, apart, community, enrolled, error_in, fresh, fresh_id, get, post, relay,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_exchange_through_the_relay() {
    let (_folder, relay) = relay().await;
    let (mut one, mut other) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, COMMUNITY).await);
    let id = fresh_id();
    let (mut one, mut other) = apart(move || {
        one.save(vec![activity(id, "清洁日", 20)]);
        assert_eq!(one.unsent(), 1);
        assert_eq!(one.sync(), None);
        assert_eq!(one.unsent(), 0, "a receipt came");
        assert_eq!(other.sync(), None);
        assert_eq!(other.value("activity", id, "beneficiaries"), Some(Value::Int(20)));
        (one, other)
    })
    .await;
    relay.settle().await.unwrap();
    let mut reader = relay.reader().await.unwrap();
    let digests = apart(move || {
        assert_eq!(one.sync(), None);
        assert_eq!(other.sync(), None);
        [one, other].map(|device| device.store.reader().unwrap().digest(None).unwrap())
    })
    .await;
    assert_eq!(digests, [reader.digest(None).unwrap(); 2], "relay and devices show the same");
    let health = apart(move || get(relay.addr(), "/healthz")).await;
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["views_behind"], false);
    assert_eq!(health["counts"]["views_behind"], 0);
    assert!(health["group_commits"].as_u64().unwrap() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_refused_by_name() {
    let (_folder, relay) = relay().await;
    let mut device = enrolled(&relay, COMMUNITY).await;
    let foreign = enrolled(&relay, OTHER_COMMUNITY).await;
    apart(move || {
        let addr = device.addr;
        let (_, plain) = device.request();
        let ask = |body: &[u8]| error_in(&post(addr, "/v1/sync", body));

        let mut body = plain.clone();
        device.signed(&mut body);
        assert_eq!(ask(&body), None);
        assert_eq!(ask(&body), Some(Code::Repeated));

        assert_eq!(ask(&plain), Some(Code::BadSignature), "not signed at all");
        let mut body = plain.clone();
        foreign.signed(&mut body);
        assert_eq!(ask(&body), Some(Code::BadSignature), "signed by another");

        let mut body = plain.clone();
        sign_body(&mut body, &device.key, &device.deployment, Some(device.epoch), NOW - 3_600_000, fresh()).unwrap();
        assert_eq!(ask(&body), Some(Code::WrongClock));

        device.epoch = foreign.author;
        let (_, mut body) = device.request();
        device.signed(&mut body);
        assert_eq!(ask(&body), Some(Code::WrongEpoch));
        device.epoch = chain_root(&device);

        device.key = AuthorKey::from_seed(&fresh::<32>());
        device.author = device.key.author(&device.deployment);
        let (_, mut body) = device.request();
        device.signed(&mut body);
        assert_eq!(ask(&body), Some(Code::UnknownAuthor));
        assert!(ask(b"hello").is_some());
    })
    .await;
    relay.stop().await.unwrap();
}

fn chain_root(device: &crate::device::Device) -> lastmile_model::AuthorId {
    let trust = device.store.trust().unwrap();
    trust.authors().map(|(author, _)| author).find(|author| trust.is_office(*author)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_good_for_one_key() {
    let (_folder, relay) = relay().await;
    let invite = relay.invite(InviteOrder::new(vec![community(COMMUNITY)], relay.url())).await.unwrap();
    let mut short = InviteOrder::new(vec![community(COMMUNITY)], relay.url());
    short.valid_ms = -1;
    let late = relay.invite(short).await.unwrap();
    assert_eq!(
        invite.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["community:430103005010", "city:4301"]
    );
    let addr = relay.addr();
    apart(move || {
        let key = AuthorKey::from_seed(&fresh::<32>());
        let ask = |key: &AuthorKey, token| {
            let body = enrol_request(key, &invite.deployment, token, "平板", NOW, fresh()).unwrap();
            read_enrolled_response(&post(addr, "/v1/enrol", &body)).unwrap().map_err(|error| error.code)
        };
        let first = ask(&key, invite.token).unwrap();
        assert_eq!(first.len(), 2);
        let send =
            |body: &[u8]| read_enrolled_response(&post(addr, "/v1/enrol", body)).unwrap().map_err(|error| error.code);
        let body = enrol_request(&key, &invite.deployment, invite.token, "平板", NOW, fresh()).unwrap();
        assert_eq!((send(&body).unwrap(), send(&body)), (first.clone(), Err(Code::Repeated)));
        // Of who has no invite nothing is remembered.
        let body = enrol_request(&key, &invite.deployment, [8; 16], "平板", NOW, fresh()).unwrap();
        assert_eq!([send(&body), send(&body)], [const { Err(Code::BadToken) }; 2]);
        assert_eq!(ask(&key, invite.token).unwrap(), first, "an answer that was lost is given again");
        let thief = AuthorKey::from_seed(&fresh::<32>());
        assert_eq!(ask(&thief, invite.token), Err(Code::BadToken));
        assert_eq!(ask(&thief, [9; 16]), Err(Code::BadToken));
        assert_eq!(ask(&thief, late.token), Err(Code::BadToken));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_devices_at_once_are_all_receipted() {
    let (_folder, relay) = relay().await;
    let mut devices = Vec::new();
    for _ in 0..12 {
        devices.push(enrolled(&relay, COMMUNITY).await);
    }
    let before = relay.stats().group_commits();
    let uploads = devices.into_iter().map(|mut device| {
        tokio::task::spawn_blocking(move || {
            for number in 0..3 {
                device.save(vec![activity(fresh_id(), "活动", number)]);
                assert_eq!(device.sync(), None);
                assert_eq!(device.unsent(), 0);
            }
        })
    });
    for upload in uploads.collect::<Vec<_>>() {
        upload.await.unwrap();
    }
    let stats = relay.stats();
    assert!(stats.uploads() >= 36);
    assert!(stats.group_commits() - before <= stats.uploads());
    relay.settle().await.unwrap();
    let reader = relay.reader().await.unwrap();
    let query = lastmile_store::query::Query::new(reader.type_no("activity").unwrap(), &[]);
    assert_eq!(reader.count(&query).unwrap(), 36);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_takes_no_part_in_another_community() {
    let (_folder, relay) = relay().await;
    let (mut here, mut there) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, OTHER_COMMUNITY).await);
    let id = fresh_id();
    apart(move || {
        there.save(vec![activity(id, "别处", 1)]);
        assert_eq!(there.sync(), None);
        here.store.hold_scope(&community(OTHER_COMMUNITY)).unwrap();
        here.sync();
        assert_eq!(here.value("activity", id, "title"), None, "it is not served");
        here.scope = community(OTHER_COMMUNITY);
        here.save(vec![activity(fresh_id(), "混入", 1)]);
        here.sync();
        assert_eq!(here.unsent(), 1, "and nothing is taken");
    })
    .await;
}
