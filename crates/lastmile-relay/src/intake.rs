//! How much of a request's body is taken, and from whom.
//!
//! The signature stands at a body's end, so nobody is sure before it came whole. Of anybody 64 KiB are taken. More comes in only once the
//! hello at its beginning names an author that is certified here and whose account is not overdrawn, and what lies in memory of such
//! bodies is bounded in all and for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Buf;
use futures_util::{Stream, StreamExt as _};
use lastmile_model::planted;
use lastmile_protocol::Code;
use lastmile_protocol::limits::MAX_FRAME_UNAUTHENTICATED;
use lastmile_protocol::request::Opening;
use lastmile_web::network_of;

use crate::server::Shared;
use crate::sync::{Refusal, admit};

/// What part of the memory for bodies one address may take up.
const PART_OF_AN_ADDRESS: u64 = 4;

/// How much is accounted for at a time.
const STEP: u64 = 64 << 10;

/// The memory that bodies beyond their first 64 KiB take up.
#[derive(Debug)]
pub(crate) struct Bodies {
    most: u64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    by_address: HashMap<IpAddr, u64>,
}

impl Bodies {
    /// Allows so many bytes in all.
    pub fn new(most: u64) -> Self {
        Self { most, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes held now.
    pub fn bytes(&self) -> u64 {
        self.held().bytes
    }
}

/// What one body takes up; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    bodies: Arc<Bodies>,
    address: Option<IpAddr>,
    bytes: u64,
}

impl Share {
    pub fn of(bodies: &Arc<Bodies>, address: Option<IpAddr>) -> Self {
        Self { bodies: Arc::clone(bodies), address: address.map(network_of), bytes: 0 }
    }

    /// Takes up as much as this body now needs; tells whether there was room.
    fn grow_to(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes).div_ceil(STEP).saturating_mul(STEP);
        if more == 0 {
            return true;
        }
        let mut held = self.bodies.held();
        let of_address = self.address.and_then(|address| held.by_address.get(&address).copied()).unwrap_or_default();
        let part = self.bodies.most / PART_OF_AN_ADDRESS;
        if held.bytes.saturating_add(more) > self.bodies.most
            || (self.address.is_some() && of_address.saturating_add(more) > part)
        {
            return false;
        }
        held.bytes = held.bytes.saturating_add(more);
        if let Some(address) = self.address {
            held.by_address.insert(address, of_address.saturating_add(more));
        }
        self.bytes = self.bytes.saturating_add(more);
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.bodies.held();
        held.bytes = held.bytes.saturating_sub(self.bytes);
        let Some(address) = self.address else { return };
        let left = held.by_address.get(&address).copied().unwrap_or_default().saturating_sub(self.bytes);
        if left == 0 {
            held.by_address.remove(&address);
        } else {
            held.by_address.insert(address, left);
        }
    }
}

/// A body that came whole, and the memory it takes up.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Takes a body of which anybody may send no more than this.
pub(crate) async fn small<B: Buf, E>(body: impl Stream<Item = Result<B, E>>) -> Result<Vec<u8>, Refusal> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        append(&mut bytes, piece)?;
        if bytes.len() > MAX_FRAME_UNAUTHENTICATED {
            return Err(Refusal::with(Code::TooLarge, MAX_FRAME_UNAUTHENTICATED));
        }
    }
    Ok(bytes)
}

/// Takes the whole body of somebody who is sure.
pub(crate) async fn trusted<B: Buf, E>(body: impl Stream<Item = Result<B, E>>) -> Result<Vec<u8>, E> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        copy(&mut bytes, piece?);
    }
    Ok(bytes)
}

/// Takes the body of a sync request: more than its beginning only of somebody who may be served.
pub(crate) async fn large<B: Buf, E>(
    shared: &Shared,
    address: Option<IpAddr>,
    announced: Option<u64>,
    body: impl Stream<Item = Result<B, E>>,
) -> Result<Body, Refusal> {
    let mut body = std::pin::pin!(body);
    let (mut bytes, mut share) = (Vec::new(), Share::of(&shared.bodies, address));
    let mut admitted = false;
    while let Some(piece) = body.next().await {
        append(&mut bytes, piece)?;
        if bytes.len() <= MAX_FRAME_UNAUTHENTICATED {
            continue;
        }
        if !admitted && !planted!("body-before-auth") {
            let Opening { hello, certificates } = Opening::read(&bytes)?;
            let speaker = admit(shared, &hello, certificates).await?;
            shared.rates.look_at_device(speaker.device, shared.now_ms()).map_err(Refusal::slower)?;
        }
        if !admitted {
            admitted = true;
            // At once, and not twice as much as is needed: what is not written to is not there.
            let rest = announced.unwrap_or_default().saturating_sub(bytes.len() as u64);
            let most = shared.connections.limits().body_bytes;
            bytes.reserve_exact(usize::try_from(rest.min(most)).unwrap_or_default());
        }
        if !share.grow_to((bytes.len() - MAX_FRAME_UNAUTHENTICATED) as u64) {
            return Err(Code::Busy.into());
        }
    }
    Ok(Body { bytes, _share: share })
}

fn append<B: Buf, E>(bytes: &mut Vec<u8>, piece: Result<B, E>) -> Result<(), Refusal> {
    // Whatever broke it, the server answers in its own words or nobody is there to be answered.
    copy(bytes, piece.map_err(|_| Refusal::from(Code::BadFrame))?);
    Ok(())
}

fn copy(bytes: &mut Vec<u8>, mut piece: impl Buf) {
    while piece.has_remaining() {
        let chunk = piece.chunk();
        bytes.extend_from_slice(chunk);
        let length = chunk.len();
        piece.advance(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_for_bodies_is_bounded_in_all_and_for_each_address() {
        let bodies = Arc::new(Bodies::new(1 << 20));
        let address = |last| Some(IpAddr::from([10, 0, 0, last]));
        let mut shares: Vec<Share> = (0..4).map(|last| Share::of(&bodies, address(last))).collect();
        for share in &mut shares {
            assert!(share.grow_to(1) && share.grow_to(200 << 10) && share.grow_to(256 << 10));
            assert!(!share.grow_to((256 << 10) + 1), "a quarter is an address's part");
        }
        assert_eq!(bodies.bytes(), 1 << 20);
        let mut further = Share::of(&bodies, address(9));
        assert!(!further.grow_to(1), "and in all it is full");
        drop(shares);
        assert!(further.grow_to(1));
        drop(further);
        assert_eq!(bodies.bytes(), 0);
        assert!(bodies.held().by_address.is_empty());
    }
}
