//! What one step of a city does.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::sim::world::{Check, World};

/// What a roll means where the office judges and erases more than it moves, and backups are put back.
const fn of_busy_office(roll: u32) -> u32 {
    match roll {
        0..24 => 0,
        24..44 => 28,
        44..47 => 52,
        47..50 => 57,
        50..54 => 60,
        54..57 => 66,
        57..61 => 71,
        61..66 => 77,
        66..76 => 81,
        76..86 => 86,
        86..88 => 89,
        88..90 => 92,
        90..93 => 93,
        93 => 95,
        94..97 => 96,
        _ => 98,
    }
}

impl World {
    /// Takes one step in a city. Everything it decides comes from its own generator.
    pub fn take_city_step(&mut self, rng: &mut ChaCha8Rng) -> Check {
        let device = rng.random_range(0..self.devices.len());
        if rng.random_bool(0.1) {
            self.trouble_ahead(device, rng);
        }
        let roll = rng.random_range(0..100);
        match if matches!(self.seed % 7, 0 | 3 | 5) { of_busy_office(roll) } else { roll } {
            0..28 => self.save_in_city(device, rng)?,
            28..52 => self.sync(device)?,
            52..57 => self.meet(device, rng)?,
            57..60 => self.file(device, rng)?,
            60..66 => self.invite(rng)?,
            66..71 => self.revoke(device)?,
            71..77 => self.move_device(device, rng)?,
            77..81 => self.hostile(device, rng)?,
            81..86 => self.release(rng)?,
            86..89 => self.erase_person(rng)?,
            89..91 => self.kill(device, rng)?,
            91 => self.reopen(device)?,
            92 => self.back_up(device, rng)?,
            93..95 => self.put_back(device, rng)?,
            95 => self.copy(device, rng)?,
            96..98 => self.back_up_relay(rng)?,
            _ => self.put_back_relay(rng)?,
        }
        self.survey()?;
        self.pause(rng)?;
        self.survey()
    }
}
