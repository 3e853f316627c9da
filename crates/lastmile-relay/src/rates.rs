//! How much one device, and one address, may ask of the relay: token buckets that fill again with time.
//!
//! What is counted: requests, bytes both ways, and processor time, the writer's for what was brought included. A bucket holds one
//! minute's allowance, so that whoever was silent may come with much at once. Processor time is known only after it was spent: a bucket
//! may be overdrawn by what one request takes, and stays shut until that is made good. A request that is refused takes nothing out.

mod table;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lastmile_model::{AuthorId, planted};
use lastmile_web::network_of;

pub(crate) use table::Cost;
use table::Table;

/// What one device, or one address, may use in a minute, and at once after a minute's rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests; on a connection that stays, uploads.
    pub requests: u64,
    /// Bytes of requests and answers.
    pub bytes: u64,
    /// Processor time.
    pub cpu: Duration,
}

impl Allowance {
    /// No limit.
    pub const UNLIMITED: Self = Self { requests: u64::MAX, bytes: u64::MAX, cpu: Duration::MAX };
}

/// The allowances of a relay.
///
/// By default a device has what an import of its own needs, and an address what a community centre needs whose devices come back at
/// once: it is no one device that is meant by the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Of a device: an author together with those that went on for it.
    pub device: Allowance,
    /// Of an address: IPv4, or an IPv6 /64; behind a named proxy the one that the proxy speaks for.
    pub address: Allowance,
}

impl RateLimits {
    /// No limits.
    pub const UNLIMITED: Self = Self { device: Allowance::UNLIMITED, address: Allowance::UNLIMITED };
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            device: Allowance { requests: 1_200, bytes: 256 << 20, cpu: Duration::from_secs(10) },
            address: Allowance { requests: 30_000, bytes: 4 << 30, cpu: Duration::from_secs(60) },
        }
    }
}

/// Whose account something goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Payer {
    /// The device, once it is sure: the first of the authors that went on for one another.
    pub device: Option<AuthorId>,
    /// Where it comes from; none for a relay that is driven by hand.
    pub address: Option<IpAddr>,
}

/// The accounts.
#[derive(Debug)]
pub(crate) struct Rates {
    devices: Mutex<Table<AuthorId>>,
    addresses: Mutex<Table<IpAddr>>,
    refused_devices: AtomicU64,
    refused_addresses: AtomicU64,
}

impl Rates {
    pub fn new(limits: RateLimits) -> Self {
        Self {
            devices: Mutex::new(Table::new(limits.device)),
            addresses: Mutex::new(Table::new(limits.address)),
            refused_devices: AtomicU64::new(0),
            refused_addresses: AtomicU64::new(0),
        }
    }

    /// Takes this from an address; an error tells for how many milliseconds it is shut.
    pub fn take_of_address(&self, address: Option<IpAddr>, cost: Cost, now_ms: i64) -> Result<(), u64> {
        let Some(address) = address.filter(|_| !planted!("no-rate-limit")) else { return Ok(()) };
        let taken = of(&self.addresses).take(network_of(address), cost, now_ms);
        self.refused_addresses.fetch_add(u64::from(taken.is_err()), Ordering::Relaxed);
        taken
    }

    /// Takes this from a device that is sure; an error tells for how many milliseconds it is shut.
    pub fn take_of_device(&self, device: AuthorId, cost: Cost, now_ms: i64) -> Result<(), u64> {
        if planted!("no-rate-limit") {
            return Ok(());
        }
        let taken = of(&self.devices).take(device, cost, now_ms);
        self.refused_devices.fetch_add(u64::from(taken.is_err()), Ordering::Relaxed);
        taken
    }

    /// For how many milliseconds a device is shut, if it is. Nothing is taken: who speaks is not sure yet.
    pub fn look_at_device(&self, device: AuthorId, now_ms: i64) -> Result<(), u64> {
        if planted!("no-rate-limit") {
            return Ok(());
        }
        of(&self.devices).look(device, now_ms)
    }

    /// Puts what was used on both accounts, also beyond what they hold.
    pub fn charge(&self, payer: Payer, cost: Cost, now_ms: i64) {
        if let Some(device) = payer.device {
            of(&self.devices).charge(device, cost, now_ms);
        }
        if let Some(address) = payer.address {
            of(&self.addresses).charge(network_of(address), cost, now_ms);
        }
    }

    /// How often devices, and addresses, were refused.
    pub fn refused(&self) -> (u64, u64) {
        (self.refused_devices.load(Ordering::Relaxed), self.refused_addresses.load(Ordering::Relaxed))
    }
}

fn of<K>(table: &Mutex<Table<K>>) -> std::sync::MutexGuard<'_, Table<K>> {
    // Each step leaves the table right, whoever panicked before.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_address_and_devices_have_accounts_of_their_own() {
        let one = Allowance { requests: 1, ..Allowance::UNLIMITED };
        let rates = Rates::new(RateLimits { device: one, address: one });
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert!(rates.take_of_address(address("2001:db8::1"), Cost::REQUEST, 0).is_ok());
        assert!(rates.take_of_address(address("2001:db8::ffff:2"), Cost::REQUEST, 0).is_err());
        assert!(rates.take_of_address(address("2001:db8:0:1::1"), Cost::REQUEST, 0).is_ok());
        assert!(rates.take_of_address(address("10.0.0.1"), Cost::REQUEST, 0).is_ok());
        assert!(rates.take_of_address(address("::ffff:10.0.0.1"), Cost::REQUEST, 0).is_err());
        assert!(rates.take_of_address(None, Cost::REQUEST, 0).is_ok());
        let (this, other) = (AuthorId([1; 16]), AuthorId([2; 16]));
        assert!(rates.look_at_device(this, 0).is_ok());
        assert!(rates.take_of_device(this, Cost::REQUEST, 0).is_ok());
        assert!(rates.look_at_device(this, 0).is_err());
        assert!(rates.take_of_device(this, Cost::REQUEST, 0).is_err());
        assert!(rates.take_of_device(other, Cost::REQUEST, 0).is_ok());
        assert_eq!(rates.refused(), (1, 2));
    }
}
