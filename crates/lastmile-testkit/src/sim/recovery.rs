//! Machines that went and come back.

use rand::Rng as _;

use super::world::{Check, World, community};

impl World {
    /// The relay is gone: with its power, or as a process alone. It comes back at once.
    pub fn recover_relay(&mut self, power: bool) -> Check {
        let lost = self.hub.stop();
        self.hub.heal();
        self.give_up(lost);
        self.note(if power { "relay power cut" } else { "relay killed" });
        self.say(if power { "the relay's power went" } else { "the relay was killed" });
        let mut again = power && self.rng.random_bool(0.2);
        loop {
            if self.hub.disk.is_off() {
                self.hub.disk.power_on(self.rng.random());
            }
            if std::mem::take(&mut again) {
                self.hub.disk.cut_at(self.hub.disk.operations() + self.rng.random_range(1..40));
            } else {
                self.hub.disk.do_not_cut();
            }
            match self.hub.open() {
                Ok(()) if self.hub.disk.is_off() => {}
                Ok(()) => break,
                Err(_) if self.hub.disk.is_off() => {}
                Err(error) => return Err(format!("the relay does not open again: {error:?}")),
            }
            self.hub.stop();
        }
        self.hub.disk.do_not_cut();
        self.hear_relay()?;
        self.after_loss()?;
        self.check_receipted()?;
        self.check_relay()
    }

    /// A device is gone: with its power, or as a process alone. It comes back at once.
    pub fn recover_device(&mut self, device: usize, power: bool) -> Check {
        self.note(if power { "power cut" } else { "killed" });
        self.say(&format!("device {device} {}", if power { "lost its power" } else { "was killed" }));
        let mut again = power && self.rng.random_bool(0.2);
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        if power {
            one.held.clear();
        }
        one.heal();
        loop {
            one.stop();
            if one.disk.is_off() {
                one.disk.power_on(self.rng.random());
            }
            if std::mem::take(&mut again) {
                one.disk.cut_at(one.disk.operations() + self.rng.random_range(1..40));
            } else {
                one.disk.do_not_cut();
            }
            match one.open() {
                Ok(()) if one.disk.is_off() => {}
                Ok(()) => break,
                Err(_) if one.disk.is_off() => {}
                Err(error) => return Err(format!("device {device} does not open again: {error:?}")),
            }
        }
        one.disk.do_not_cut();
        self.hear(device)?;
        self.after_loss()?;
        self.check_device(device)
    }

    /// Closes a device's app and opens it again.
    pub fn reopen(&mut self, device: usize) -> Check {
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        one.heal();
        let closed = one.close();
        if one.disk.is_off() {
            return self.recover_device(device, true);
        }
        closed.map_err(|error| format!("device {device} does not close: {error:?}"))?;
        let opened = one.open();
        if one.disk.is_off() {
            return self.recover_device(device, true);
        }
        opened.map_err(|error| format!("device {device} does not open: {error:?}"))?;
        self.hear(device)?;
        self.check_device(device)
    }

    /// Tells a device of the erasures it has not heard of.
    pub fn hear(&mut self, device: usize) -> Check {
        let scope = community();
        let Some(one) = self.devices.get_mut(device) else { return Ok(()) };
        let Some(erasures) = self.erasures.get(one.heard..).filter(|some| !some.is_empty()) else { return Ok(()) };
        let heard = one.replica().with_store(|store| store.erase(&scope, erasures));
        if one.disk.is_off() {
            return self.recover_device(device, true);
        }
        heard.map_err(|error| format!("device {device} cannot erase: {error:?}"))?;
        one.heard = self.erasures.len();
        Ok(())
    }

    /// Tells the relay of the erasures it has not heard of.
    pub fn hear_relay(&mut self) -> Check {
        let Some(relay) = &mut self.hub.relay else { return Ok(()) };
        let Some(erasures) = self.erasures.get(self.hub.heard..).filter(|some| !some.is_empty()) else { return Ok(()) };
        let heard = relay.with_store(|store| store.erase(&community(), erasures));
        if self.hub.disk.is_off() {
            return self.recover_relay(true);
        }
        heard.map_err(|error| format!("the relay cannot erase: {error:?}"))?;
        self.hub.heard = self.erasures.len();
        Ok(())
    }
}
