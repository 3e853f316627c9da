//! The two engines, given the same operations drawn at random, never differ.

use lastmile_store::storage::{Durability, Storage};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::engines;
use crate::operations::{Drawing, Operation, TYPES, apply, dump, dump_rows};

const STEPS: usize = 2000;

/// A writer and a reader of one engine.
struct Pair {
    engine: engines::Engine,
    reader: Box<dyn Storage>,
}

impl Pair {
    fn new(engine: engines::Engine) -> Self {
        let reader = engine.storage.reader().unwrap();
        Self { engine, reader }
    }

    fn apply(&mut self, operation: &Operation) -> String {
        apply(&mut *self.engine.storage, &mut *self.reader, operation)
    }

    /// What both handles see: of the logs, and of the rows of one type or of all.
    fn dump(&self, types: &[&str]) -> [String; 2] {
        [&*self.engine.storage, &*self.reader].map(|storage| dump(storage, types))
    }

    fn dump_rows(&self, name: &str) -> [String; 2] {
        [&*self.engine.storage, &*self.reader].map(|storage| dump_rows(storage, name))
    }
}

fn compare(seed: u64) {
    let mut drawing = Drawing::new(ChaCha8Rng::seed_from_u64(seed));
    let mut pairs = [Pair::new(engines::sqlite()), Pair::new(engines::memory())];
    let mut in_transaction = false;
    for step in 0..STEPS {
        let operation = drawing.next();
        // Most writes stand in a transaction, a few alone.
        if operation.writes() && !in_transaction && step % 40 != 0 {
            let begun = pairs.each_mut().map(|pair| pair.apply(&Operation::Begin(Durability::Refetchable)));
            assert_eq!(begun[0], begun[1], "seed {seed}, step {step}: begin");
            in_transaction = true;
        }
        let [sqlite, memory] = pairs.each_mut().map(|pair| pair.apply(&operation));
        assert_eq!(sqlite, memory, "seed {seed}, step {step}: {operation:?}");
        in_transaction = match operation {
            Operation::Begin(_) => true,
            Operation::Commit | Operation::Rollback => false,
            _ => in_transaction,
        };
        let [sqlite, memory] = match (&operation, operation.touches()) {
            (_, Some(name)) => pairs.each_ref().map(|pair| pair.dump_rows(name)),
            (
                Operation::Commit
                | Operation::Rollback
                | Operation::EndRead
                | Operation::RemoveScope(_)
                | Operation::ClearViews,
                None,
            ) => pairs.each_ref().map(|pair| pair.dump(&TYPES)),
            (_, None) if operation.writes() => pairs.each_ref().map(|pair| pair.dump(&[])),
            // What it read has been compared already.
            _ => continue,
        };
        assert_eq!(sqlite, memory, "seed {seed}, step {step}: after {operation:?}");
    }
    for pair in &mut pairs {
        pair.engine.storage.rollback();
        assert_eq!(pair.engine.storage.integrity().unwrap(), Vec::<String>::new());
    }
}

/// One test per seed, so that they run side by side and a failure names its seed.
macro_rules! seeds {
    ($($name:ident: $seed:literal),* $(,)?) => {
        $(#[test] fn $name() { compare($seed); })*
    };
}

seeds!(seed_1: 1, seed_2: 2, seed_3: 3, seed_4: 4);
