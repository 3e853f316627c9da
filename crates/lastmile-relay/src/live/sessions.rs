//! Which sockets are open, whose they are, and which scopes each wants to hear of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lastmile_model::{AuthorId, Scope, planted};
use lastmile_protocol::Code;
use tokio::sync::Notify;

/// How live connections are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveOptions {
    /// How often the relay pings. A connection of which two pings in a row had no answer is dead. Below the time after which phone
    /// networks forget a silent connection.
    pub ping: Duration,
    /// How many connections an author may have; a further one ends the oldest.
    pub per_author: usize,
    /// How many bytes of batches a device may have on their way to the relay.
    pub credit: u64,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self { ping: Duration::from_secs(30), per_author: 4, credit: 2 << 20 }
    }
}

/// Why the relay ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Because of the author: it is told this code.
    Code(Code),
    /// The author has newer connections.
    Replaced,
}

/// What one connection waits for.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    waiting: Mutex<Waiting>,
    /// Something has grown.
    wake: Notify,
    /// The connection is to end.
    close: Notify,
    /// When the peer last gave a sign, in milliseconds since 1970.
    heard_ms: AtomicI64,
}

#[derive(Debug, Default)]
struct Waiting {
    grown: BTreeSet<Scope>,
    word: Option<Word>,
}

impl Listener {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a scope has grown; those that grew meanwhile come together.
    pub async fn grown(&self) -> BTreeSet<Scope> {
        loop {
            let grown = std::mem::take(&mut self.waiting().grown);
            if !grown.is_empty() {
                return grown;
            }
            self.wake.notified().await;
        }
    }

    /// Waits for the word to end.
    pub async fn closed(&self) -> Word {
        loop {
            if let Some(word) = self.waiting().word {
                return word;
            }
            self.close.notified().await;
        }
    }

    pub fn heard(&self, now_ms: i64) {
        self.heard_ms.store(now_ms, Ordering::Relaxed);
    }

    /// When the peer last gave a sign, in milliseconds since 1970.
    pub fn last_heard(&self) -> i64 {
        self.heard_ms.load(Ordering::Relaxed)
    }

    fn end(&self, word: Word) {
        self.waiting().word.get_or_insert(word);
        self.close.notify_one();
    }

    fn has_grown(&self, scope: &Scope) {
        let first = {
            let mut waiting = self.waiting();
            let first = waiting.grown.is_empty();
            waiting.grown.insert(scope.clone()) && first
        };
        if first {
            self.wake.notify_one();
        }
    }
}

#[derive(Debug, Default)]
struct Open {
    /// By author, the oldest first.
    by_author: HashMap<AuthorId, BTreeMap<u64, Arc<Listener>>>,
    by_scope: HashMap<Scope, BTreeMap<u64, Arc<Listener>>>,
    count: usize,
}

/// The live connections of a relay.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    pub options: LiveOptions,
    open: Mutex<Open>,
    next: AtomicU64,
}

impl Sessions {
    pub fn new(options: LiveOptions) -> Self {
        Self { options, ..Self::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection that was made sure of. From now on it hears of these scopes, so they are to be read after this.
    pub fn join(self: &Arc<Self>, author: AuthorId, scopes: Vec<Scope>, listener: &Arc<Listener>) -> Member {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open();
        for scope in &scopes {
            open.by_scope.entry(scope.clone()).or_default().insert(number, Arc::clone(listener));
        }
        let of_author = open.by_author.entry(author).or_default();
        of_author.insert(number, Arc::clone(listener));
        let surplus = of_author.len().saturating_sub(self.options.per_author);
        for old in of_author.values().take(surplus) {
            old.end(Word::Replaced);
        }
        open.count = open.count.saturating_add(1);
        drop(open);
        Member { sessions: Arc::clone(self), number, author, scopes }
    }

    /// Tells everybody who listens that a scope holds more than before.
    pub fn grown(&self, scope: &Scope) {
        if planted!("push-to-nobody") {
            return;
        }
        if let Some(listeners) = self.open().by_scope.get(scope) {
            listeners.values().for_each(|listener| listener.has_grown(scope));
        }
    }

    /// Ends every connection of an author at once, whatever it is busy with; returns how many there were. The peer is told the code
    /// if it still listens.
    pub fn close(&self, author: AuthorId, code: Code) -> usize {
        let open = self.open();
        let Some(listeners) = open.by_author.get(&author) else { return 0 };
        listeners.values().for_each(|listener| listener.end(Word::Code(code)));
        listeners.len()
    }

    /// When an author that is connected was last heard, in milliseconds since 1970.
    pub fn last_heard(&self, author: AuthorId) -> Option<i64> {
        let open = self.open();
        open.by_author.get(&author)?.values().map(|listener| listener.last_heard()).max()
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.open().count
    }
}

/// The right to hear; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    sessions: Arc<Sessions>,
    number: u64,
    pub author: AuthorId,
    scopes: Vec<Scope>,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut open = self.sessions.open();
        for scope in &self.scopes {
            leave(&mut open.by_scope, scope, self.number);
        }
        leave(&mut open.by_author, &self.author, self.number);
        open.count = open.count.saturating_sub(1);
    }
}

fn leave<K: std::hash::Hash + Eq>(of: &mut HashMap<K, BTreeMap<u64, Arc<Listener>>>, key: &K, number: u64) {
    if let Some(listeners) = of.get_mut(key) {
        listeners.remove(&number);
        if listeners.is_empty() {
            of.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes() -> [Scope; 2] {
        [Scope::community("430103005010").unwrap(), Scope::community("430104008008").unwrap()]
    }

    #[tokio::test]
    async fn whoever_listens_hears_once_of_what_grew_meanwhile() {
        let sessions = Arc::new(Sessions::default());
        let [here, there] = scopes();
        let (one, two) = (Arc::new(Listener::default()), Arc::new(Listener::default()));
        let _one = sessions.join(AuthorId([1; 16]), vec![here.clone(), there.clone()], &one);
        let two_member = sessions.join(AuthorId([2; 16]), vec![there.clone()], &two);
        for _ in 0..3 {
            sessions.grown(&here);
            sessions.grown(&there);
        }
        assert_eq!(one.grown().await, BTreeSet::from(scopes()));
        assert_eq!(two.grown().await, BTreeSet::from([there.clone()]));
        for listener in [&one, &two] {
            let more = tokio::time::timeout(Duration::from_millis(20), listener.grown()).await;
            assert!(more.is_err(), "nothing more grew");
        }
        drop(two_member);
        sessions.grown(&there);
        assert!(tokio::time::timeout(Duration::from_millis(20), two.grown()).await.is_err());
        assert_eq!((sessions.count(), one.grown().await), (1, BTreeSet::from([there])));
    }

    #[tokio::test]
    async fn the_oldest_connection_of_an_author_goes_and_all_of_it_at_the_offices_word() {
        let sessions = Arc::new(Sessions::new(LiveOptions { per_author: 2, ..LiveOptions::default() }));
        let author = AuthorId([1; 16]);
        let listeners: Vec<_> = (0..3).map(|_| Arc::new(Listener::default())).collect();
        let _members: Vec<_> = listeners.iter().map(|listener| sessions.join(author, Vec::new(), listener)).collect();
        assert_eq!(listeners[0].closed().await, Word::Replaced);
        assert_eq!(sessions.close(AuthorId([2; 16]), Code::Revoked), 0);
        assert_eq!(sessions.close(author, Code::Revoked), 3);
        assert_eq!(listeners[0].closed().await, Word::Replaced, "the first word holds");
        assert_eq!(listeners[2].closed().await, Word::Code(Code::Revoked));
    }
}
