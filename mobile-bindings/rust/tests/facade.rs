//! The facade as a language's package drives it: polled from threads that know no runtime, beside a relay on loopback.
#![expect(clippy::unwrap_used, reason = "a test says what failed by stopping")]

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lastmile_mobile::{
    BackgroundOutcome, ChangeEvent, FieldValue, KeyError, KeyProvider, LastmileError, ListQuery, RecordEdit, Replica,
    ReplicaConfig, SaveOptions, SyncPhase, new_record_id, record_types,
};
use lastmile_model::Scope;
use lastmile_model::roles::Role;
use lastmile_relay::{InviteOrder, Relay, RelayFolder, RelayOptions, RunningRelay};
use lastmile_web::Limits;

/// Wakes a thread that polls, as a language's event loop is woken.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park_timeout(Duration::from_secs(60)),
        }
    }
}

/// A relay with a runtime of its own, and a folder for devices.
struct Field {
    runtime: tokio::runtime::Runtime,
    relay: RunningRelay,
    folder: tempfile::TempDir,
}

impl Field {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let kept = RelayFolder::open_or_create(folder.path().join("relay"), &RelayOptions::default()).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let relay = runtime.block_on(Relay::start(kept, address, Limits::default())).unwrap();
        Self { runtime, relay, folder }
    }

    fn config(&self, name: &str) -> ReplicaConfig {
        let folder = self.folder.path().join(name).to_str().unwrap().to_owned();
        ReplicaConfig { folder, app: None, patience: None }
    }

    fn invite(&self) -> String {
        let scopes = vec![Scope::community("430103005010").unwrap()];
        let order = InviteOrder { roles: vec![Role::Secretary], ..InviteOrder::new(scopes, self.relay.url()) };
        self.runtime.block_on(self.relay.invite(order)).unwrap().to_text()
    }

    fn enrol(&self, name: &str) -> Arc<Replica> {
        wait(Replica::enrol(self.config(name), self.invite(), name.to_owned(), None)).unwrap()
    }
}

fn text(value: &str) -> FieldValue {
    FieldValue::Text { value: value.to_owned() }
}

fn activity(title: &str) -> RecordEdit {
    let fields = [
        ("title", text(title)),
        ("category", text("环保清洁")),
        ("date", text("2025年3月5日")),
        ("beneficiaries", FieldValue::Number { value: 20 }),
        ("tags", FieldValue::Elements { values: vec!["环保".to_owned()] }),
    ];
    RecordEdit::Create {
        record_type: "activity".to_owned(),
        id: Some(new_record_id()),
        fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        events: Vec::new(),
    }
}

fn query() -> ListQuery {
    ListQuery {
        record_type: "activity".to_owned(),
        fields: vec!["title".to_owned(), "tags".to_owned()],
        conditions: Vec::new(),
        sort: Vec::new(),
        limit: 50,
        after: None,
    }
}

fn save(replica: &Replica, title: &str) -> String {
    wait(replica.save(vec![activity(title)], SaveOptions::default())).unwrap().remove(0).id
}

#[test]
fn one_opening_at_a_time_and_none_after_the_closing() {
    let field = Field::new();
    let config = field.config("one");
    let none = wait(Replica::open(config.clone(), None)).map(drop);
    assert!(matches!(none, Err(LastmileError::NotFound { code, .. }) if code == "no_replica"));
    let bad = wait(Replica::enrol(config.clone(), "not an invite".to_owned(), "one".to_owned(), None)).map(drop);
    assert!(matches!(bad, Err(LastmileError::NotTaken { code, .. }) if code == "bad_invite"));
    let replica = field.enrol("one");
    let again = wait(Replica::open(config.clone(), None)).map(drop);
    assert!(matches!(again, Err(LastmileError::AlreadyOpen { .. })));
    let id = save(&replica, "清洁日");
    let (changes, page) = (replica.changes(Vec::new()).unwrap(), replica.observe(query()).unwrap());
    wait(page.next()).unwrap().unwrap();
    replica.start_auto_sync(true).unwrap();
    std::thread::scope(|scope| {
        // Whoever waits for what comes next hears the end.
        scope.spawn(|| while wait(changes.next()).is_some() {});
        scope.spawn(|| while wait(page.next()).unwrap().is_some() {});
        let closings = [scope.spawn(|| wait(replica.shut_down())), scope.spawn(|| wait(replica.shut_down()))];
        closings.into_iter().for_each(|closing| closing.join().unwrap().unwrap());
    });
    wait(replica.shut_down()).unwrap();
    assert!(matches!(wait(replica.sync_state()), Err(LastmileError::Closed { .. })));
    assert!(matches!(replica.sync_now(None).map(drop), Err(LastmileError::Closed { .. })));
    assert!(matches!(replica.changes(Vec::new()).map(drop), Err(LastmileError::Closed { .. })));
    assert_eq!(wait(changes.next()), None);
    let replica = wait(Replica::open(config, None)).unwrap();
    let record = wait(replica.record("activity".to_owned(), id)).unwrap();
    assert_eq!(record.fields["date"], text("2025-03-05"));
    assert_eq!(record.fields["category"], text("environment"));
    assert_eq!(record.fields["tags"], FieldValue::Elements { values: vec!["环保".to_owned()] });
    drop(replica);
}

#[test]
fn what_does_not_fit_names_its_field_and_nothing_is_saved() {
    let field = Field::new();
    let replica = field.enrol("one");
    let RecordEdit::Create { record_type, mut fields, .. } = activity("清洁日") else { panic!() };
    fields.insert("date".to_owned(), text("张三"));
    fields.insert("venue".to_owned(), FieldValue::Sealed);
    let wrong = RecordEdit::Create { record_type, id: None, fields, events: Vec::new() };
    let refused = wait(replica.save(vec![activity("另一个"), wrong], SaveOptions::default()));
    let Err(LastmileError::InvalidInput { problems, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(problems.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(), ["date", "venue"]);
    assert!(!format!("{problems:?}").contains("张三"), "what was entered is not repeated");
    assert_eq!(wait(replica.list(query())).unwrap().rows, []);
    let unknown = wait(replica.list(ListQuery { record_type: "household".to_owned(), ..query() }));
    assert!(matches!(unknown, Err(LastmileError::NotFound { code, .. }) if code == "no_type"));
    let long = ReplicaConfig { app: Some("x".repeat(33)), ..field.config("two") };
    assert!(matches!(wait(Replica::open(long, None)).map(drop), Err(LastmileError::InvalidInput { .. })));
    wait(replica.shut_down()).unwrap();
}

#[test]
fn streams_end_where_they_are_slow_and_tell_so() {
    let field = Field::new();
    let replica = field.enrol("one");
    let slow = replica.changes(vec!["activity".to_owned()]).unwrap();
    let none = replica.changes(vec!["person".to_owned()]).unwrap();
    let list = replica.observe(query()).unwrap();
    assert_eq!(wait(list.next()).unwrap().unwrap().rows, []);
    let first = save(&replica, "第一");
    let Some(ChangeEvent::Records { records }) = wait(slow.next()) else { panic!() };
    assert_eq!(records.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [first.as_str()]);
    for no in 0..200 {
        save(&replica, &format!("活动{no}"));
    }
    let heard: Vec<ChangeEvent> = std::iter::from_fn(|| wait(slow.next())).take(65).collect();
    assert_eq!(heard.last(), Some(&ChangeEvent::Overflow), "{}", heard.len());
    // The list shows the last state, however often it moved.
    let pages = std::iter::from_fn(|| wait(list.next()).unwrap()).take_while(|page| page.next.is_none()).count();
    assert!(pages <= 50, "{pages}");
    none.cancel();
    assert_eq!(wait(none.next()), None);
    slow.cancel();
    assert_eq!(wait(slow.next()), None);
    list.cancel();
    assert_eq!(wait(list.next()).unwrap(), None);
    wait(replica.shut_down()).unwrap();
}

#[test]
fn the_sync_can_be_given_up_from_anywhere() {
    let field = Field::new();
    let replica = field.enrol("one");
    save(&replica, "清洁日");
    let states = replica.sync_states().unwrap();
    assert_eq!(wait(states.next()).unwrap().unwrap().unsent_commits, 1);
    let report = wait(replica.sync_now(Some(Duration::from_secs(30))).unwrap().result()).unwrap();
    assert!(report.complete && report.receipts > 0, "{report:?}");
    let last = std::iter::from_fn(|| wait(states.next()).unwrap()).find(|state| state.phase == SyncPhase::UpToDate);
    assert_eq!(last.map(|state| state.unsent_commits), Some(0));
    assert_eq!(wait(replica.background_step(Duration::from_secs(30))).unwrap(), BackgroundOutcome::Done);
    let Field { runtime, relay, folder: _folder } = field;
    let address = relay.addr();
    runtime.block_on(relay.stop()).unwrap();
    let away = wait(replica.background_step(Duration::from_secs(30))).unwrap();
    assert!(matches!(&away, BackgroundOutcome::Retry { code, .. } if code == "unreachable"), "{away:?}");
    // Somebody who takes the request and says nothing.
    let _silent = std::net::TcpListener::bind(address).unwrap();
    let moment = Duration::from_millis(50);
    assert_eq!(wait(replica.background_step(moment)).unwrap(), BackgroundOutcome::More);
    let late = wait(replica.sync_now(Some(moment)).unwrap().result());
    assert!(matches!(late, Err(LastmileError::Cancelled { code }) if code == "deadline"));
    let handle = replica.sync_now(None).unwrap();
    assert!(wait(handle.next_progress()).is_some());
    handle.cancel();
    assert!(matches!(wait(handle.result()), Err(LastmileError::Cancelled { code }) if code == "cancelled"));
    assert!(std::iter::from_fn(|| wait(handle.next_progress())).count() <= 1);
    let stuck = replica.sync_now(None).unwrap();
    wait(replica.shut_down()).unwrap();
    assert!(matches!(wait(stuck.result()), Err(LastmileError::Closed { .. })));
}

/// A key store that gives what it was told to.
struct Keys(Result<Vec<u8>, KeyError>);

#[async_trait::async_trait]
impl KeyProvider for Keys {
    async fn database_key(&self) -> Result<Vec<u8>, KeyError> {
        self.0.clone()
    }
}

fn keys(answer: Result<Vec<u8>, KeyError>) -> Option<Arc<dyn KeyProvider>> {
    Some(Arc::new(Keys(answer)))
}

#[test]
fn a_key_that_cannot_be_had_or_is_none_is_told_apart() {
    let field = Field::new();
    field.enrol("plain");
    let open = |answer| wait(Replica::open(field.config("plain"), keys(answer))).map(drop);
    let code = |result: Result<(), LastmileError>| match result {
        Err(LastmileError::Key { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(open(Err(KeyError::Unavailable))), "key_unavailable");
    assert_eq!(code(open(Ok(vec![1; 31]))), "wrong_key");
    if cfg!(feature = "encryption") {
        let enrolled =
            wait(Replica::enrol(field.config("two"), field.invite(), "two".to_owned(), keys(Ok(vec![7; 32]))));
        wait(enrolled.unwrap().shut_down()).unwrap();
        let other = |key: u8| wait(Replica::open(field.config("two"), keys(Ok(vec![key; 32])))).map(drop);
        assert_eq!(code(other(8)), "wrong_key");
        other(7).unwrap();
    } else {
        assert_eq!(code(open(Ok(vec![1; 32]))), "no_encryption");
    }
}

#[test]
fn the_record_types_are_told_without_what_nobody_fills_in() {
    let types: HashMap<String, _> = record_types().into_iter().map(|one| (one.name.clone(), one)).collect();
    let activity = &types["activity"];
    let field = |name: &str| activity.fields.iter().find(|field| field.name == name);
    assert_eq!(field("category").unwrap().choices[0].zh, "环保清洁");
    assert!(field("title").unwrap().required && field("state").is_none() && field("created_at").is_none());
    assert!(field("tags").unwrap().set);
    let returned = activity.events.iter().find(|event| event.kind == "return").unwrap();
    assert!(returned.required.contains(&"why".to_owned()), "{returned:?}");
    assert!(!types.contains_key("verdict") && !types.contains_key("certificate"));
}
