//! The sans-IO sync protocol: frames, session, limits.
//!
//! A [`Session`] is one exchange between two replicas. It takes the peer's bytes and gives [`Effect`]s: bytes to send,
//! batches to store, logs to read. The host, a client or a relay over its store, carries them out and answers. The same
//! session serves a request with its response, two devices side by side, and a file; only [`Carrier`] and [`Role`] differ.
//!
//! What goes across is computed from two version vectors as plain data by [`plan::plan`]. Batches of commits pass through
//! unopened: `lastmile-log` packs and verifies them, the store decides what becomes of them.
//!
//! `docs/protocol.md` describes the protocol for authors of other clients; `schema/wire/v1` holds golden frames.
//!
//! ```
//! use lastmile_log::Vector;
//! use lastmile_model::{AuthorId, Scope};
//! use lastmile_protocol::{Carrier, Effect, LocalScope, Role, Session, SessionConfig};
//!
//! let scope: Scope = "community:430103005010".parse().unwrap();
//! let side = |role, author| {
//!     let config = SessionConfig::new(role, Carrier::OneShot, [7; 16], AuthorId([author; 16]));
//!     Session::new(config, vec![LocalScope::new(scope.clone(), Vector::default())])
//! };
//! let bytes = |session: &mut Session| -> Vec<u8> {
//!     let mut sent = Vec::new();
//!     while let Some(effect) = session.next_effect() {
//!         if let Effect::Send(bytes) = effect {
//!             sent.extend(bytes);
//!         }
//!     }
//!     sent
//! };
//!
//! let (mut client, mut relay) = (side(Role::Initiator, 1), side(Role::Responder, 2));
//! let request = bytes(&mut client);
//! relay.receive(&request)?;
//! relay.end_of_input();
//! let response = bytes(&mut relay);
//! client.receive(&response)?;
//! client.end_of_input();
//! let done = std::iter::from_fn(|| client.next_effect()).last();
//! assert!(matches!(done, Some(Effect::Done(outcome)) if outcome.equal));
//! # Ok::<(), lastmile_protocol::SessionError>(())
//! ```

pub mod bundle;
pub mod code;
pub mod enrol;
pub mod files;
pub mod frame;
pub mod host;
pub mod limits;
pub mod plan;
pub mod positions;
pub mod request;
pub mod session;

pub use code::Code;
pub use frame::{BadFrame, Frame};
pub use host::{DriveError, Driven, Host, answer_request, feed, pump};
pub use positions::SegmentPositions;
pub use session::{
    Access, Admission, BatchOutcome, Carrier, Effect, Held, IncomingBatch, LocalScope, Notice, Outcome, OutgoingBatch,
    PeerCheck, ReadRequest, ReceiptWant, Role, Session, SessionConfig, SessionError, StoreRequest, Stored, Token,
    Traffic,
};

/// The lowest protocol version spoken here.
pub const MIN_VERSION: u64 = 1;

/// The highest protocol version spoken here.
pub const MAX_VERSION: u64 = 1;
