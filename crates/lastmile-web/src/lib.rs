//! What every page and endpoint shares: the accept loop with its limits.
//!
//! A request passes, in order: [`Connections::admit`] (how many connections, in all and per address), an optional
//! [`Handshake`] (plain, or [TLS](tls)), a guard around the byte stream (time limits for heads, idle time and stalled
//! writes), hyper's HTTP/1.1, a cap and a pace for the request's body, and then the service, usually warp filters
//! turned into one by `warp::service`. HTTP/2 is deliberately absent.
//!
//! ```
//! use lastmile_web::{Limits, Server};
//! use warp::Filter;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), lastmile_web::WebError> {
//! let server = Server::bind("127.0.0.1:0".parse().expect("an address"), Limits::default()).await?;
//! let connections = server.connections();
//! let routes = warp::path("healthz").map(move || format!("open {}\n", connections.load().open));
//! println!("listening on {}", server.local_addr());
//! let stop = async {}; // usually a signal
//! server.serve(warp::service(routes), stop).await
//! # }
//! ```

mod body;
mod connection;
mod connections;
mod error;
mod forwarded;
mod guarded;
mod limits;
mod pace;
mod progress;
mod refusal;
mod secret;
mod server;
pub mod tls;
pub mod websocket;

pub use body::{BodyError, ReplyBody, RequestBody};
pub use connection::{Peer, Service, peer, serve_connection};
pub use connections::{Connections, Load, Refused, Slot, network_of};
pub use error::WebError;
pub use forwarded::{ForwardedBy, Origin, origin};
pub use limits::Limits;
pub use secret::write_secret;
pub use server::{Handshake, Plain, Server};

/// Whether this deliberate fault is on: for the proofs that notice it, and `false` in every build but theirs.
fn is_planted(name: &str) -> bool {
    cfg!(feature = "planted") && std::env::var_os("LASTMILE_PLANTED").is_some_and(|planted| planted == *name)
}

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("the feature `planted` holds deliberate faults: it is for tests, never for a release");
