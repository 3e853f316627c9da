//! A relay and a device in network namespaces of their own, with the kernel's own loss and pace between them.
//!
//! `LASTMILE_NETNS=1` runs it; it needs root, `ip` (iproute2) and `nft` (nftables).

use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

use lastmile_relay::{Encryption, Relay, RelayFolder, RelayOptions, Serving};
use lastmile_web::Limits;

use crate::child::{ADDRESS, FOLDER, PAUSE, SAVES, SEED, TIMEOUT};
use crate::ground::{Ground, digest, relay_digest, settle, wait};
use crate::ledger::{Ledger, Said, checked, titles};
use crate::process::{PATIENCE, Process, command, output};

const SAVES_MADE: usize = 60;

/// Two namespaces with a cable between them; they are removed when this is dropped.
struct Cable {
    near: String,
    far: String,
}

fn run(words: &str) -> Result<(), String> {
    let mut parts = words.split(' ');
    let output =
        output(Command::new(parts.next().unwrap()).args(parts)).map_err(|error| format!("{words}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("{words}: {}", String::from_utf8_lossy(&output.stderr))) }
}

impl Cable {
    /// 64 kbit/s and every fifth packet lost, each way.
    fn lay(relay: SocketAddr) -> Result<Self, String> {
        let id = std::process::id();
        let cable = Self { near: format!("lastmile-near-{id}"), far: format!("lastmile-far-{id}") };
        let (near, far) = (&cable.near, &cable.far);
        run(&format!("ip netns add {near}"))?;
        run(&format!("ip netns add {far}"))?;
        run(&format!("ip -n {near} link add lm0 type veth peer name lm1 netns {far}"))?;
        for (space, link, address) in
            [(near, "lm0", "198.18.0.1/30".to_owned()), (far, "lm1", format!("{}/30", relay.ip()))]
        {
            run(&format!("ip -n {space} address add {address} dev {link}"))?;
            run(&format!("ip -n {space} link set {link} up"))?;
            run(&format!("ip -n {space} link set lo up"))?;
            let inside = format!("ip netns exec {space}");
            run(&format!("{inside} tc qdisc add dev {link} root tbf rate 64kbit burst 4kb latency 2s"))?;
            run(&format!("{inside} nft add table inet lossy"))?;
            run(&format!("{inside} nft add chain inet lossy input {{ type filter hook input priority 0 ; }}"))?;
            run(&format!(
                "{inside} nft add rule inet lossy input iifname {link} numgen random mod 100 < 20 counter drop"
            ))?;
        }
        Ok(cable)
    }

    /// How many packets were dropped on the way into a namespace.
    fn lost(space: &str) -> u64 {
        let words = ["netns", "exec", space, "nft", "list", "table", "inet", "lossy"];
        let output = output(Command::new("ip").args(words)).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let after = text.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
        after.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in {text}"))
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for space in [&self.near, &self.far] {
            // What was never made cannot be removed.
            let _ = run(&format!("ip netns delete {space}"));
        }
    }
}

#[test]
fn a_lossy_narrow_line_carries_everything_on_demand() {
    if crate::number("LASTMILE_NETNS", 0) == 0 {
        return crate::say("network namespaces: not run, LASTMILE_NETNS=1 runs it");
    }
    let inside: SocketAddr = "198.18.0.2:8470".parse().unwrap();
    let cable = match Cable::lay(inside) {
        Ok(cable) => cable,
        Err(why) => return crate::skip("network namespaces", &why),
    };
    let ground = Ground::new(0);
    // What leaves a computer goes under TLS: the device learns whom to believe, then moves to the other namespace.
    wait(async {
        let folder = RelayFolder::open_or_create(ground.relay(), &RelayOptions::default()).unwrap();
        let encryption = Encryption::Private { names: Vec::new() };
        let serving = Serving { encryption, ..Serving::new(ground.address, Limits::default()) };
        let relay = Relay::serve(folder, serving).await.unwrap();
        let mut replica = ground.enrol(&relay, 0).await;
        replica.set_relay(&format!("https://{inside}")).unwrap();
        replica.close().unwrap();
        relay.stop().await.unwrap();
    });
    let mut serving = command("relay", &["ip", "netns", "exec", &cable.far]);
    serving.env(FOLDER, ground.relay()).env(ADDRESS, inside.to_string());
    let mut relay = Process::start(serving, "relay", ground.folder.path());
    relay.wait_for("serving");
    let mut saving = command("device", &["ip", "netns", "exec", &cable.near]);
    saving.env(FOLDER, ground.device(0)).env(SEED, "1").env(SAVES, SAVES_MADE.to_string()).env(PAUSE, "200");
    saving.env(TIMEOUT, "30000");
    let began = Instant::now();
    let mut device = Process::start(saving, "device", ground.folder.path());
    let mut ledger = Ledger::default();
    let until = began + PATIENCE * 5;
    while ledger.count(Said::Uploaded) < SAVES_MADE {
        let Some(line) = device.line(until) else {
            panic!("{} of {SAVES_MADE} arrived; {}", ledger.count(Said::Uploaded), device.complaints());
        };
        ledger.read(&line);
    }
    let seconds = began.elapsed().as_secs_f64();
    let lost = (Cable::lost(&cable.far), Cable::lost(&cable.near));
    assert!(lost.0 > 0 && lost.1 > 0, "nothing was lost: {lost:?}");
    ledger.read_all(&device.kill());
    relay.kill();
    let held = titles(&checked(&ground.relay_file()).reader().unwrap());
    assert_eq!(ledger.contradictions(&held, Said::Uploaded), [""; 0]);
    wait(async {
        let relay = ground.serve().await;
        let mut replica = ground.open(0);
        replica.set_relay(&relay.url()).unwrap();
        settle(&replica).await;
        assert_eq!(digest(&replica), relay_digest(&relay).await);
        relay.stop().await.unwrap();
    });
    crate::say(&format!(
        "64 kbit/s with 20 % loss: {SAVES_MADE} saves in {seconds:.0} s, packets lost up {} and down {}",
        lost.0, lost.1
    ));
}
