//! What this process and its children use.

use std::time::{Duration, Instant};

/// What a piece of work took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// By the clock.
    pub wall: Duration,
    /// Of the processors, on all threads of this process.
    pub cpu: Duration,
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu += other.cpu;
    }
}

/// Does work and tells what it took.
///
/// # Errors
/// As the work itself.
pub fn spend<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Spent), E> {
    let (began, before) = (Instant::now(), processor_time());
    let done = work()?;
    let wall = began.elapsed();
    let cpu = processor_time().zip(before).map(|(after, before)| after.saturating_sub(before)).unwrap_or_default();
    Ok((done, Spent { wall, cpu }))
}

/// The processor time that this process has used, where the system tells.
#[cfg(unix)]
#[must_use]
pub fn processor_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// The processor time that this process has used, where the system tells.
#[cfg(not(unix))]
#[must_use]
pub fn processor_time() -> Option<Duration> {
    None
}

/// The most memory that a running process has held so far, in bytes, where the system tells: `VmHWM` of Linux.
#[must_use]
pub fn peak_memory(process: u32) -> Option<u64> {
    of_status(process, "VmHWM:")
}

/// The memory that a running process holds now, in bytes, where the system tells: `VmRSS` of Linux.
#[must_use]
pub fn resident_memory(process: u32) -> Option<u64> {
    of_status(process, "VmRSS:")
}

fn of_status(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes.saturating_mul(1024))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn knows_this_process() {
        let before = processor_time().unwrap();
        let sum: u64 = (0..2_000_000u64).map(|number| number.wrapping_mul(number)).fold(0, u64::wrapping_add);
        assert_ne!(std::hint::black_box(sum), 1);
        assert!(processor_time().unwrap() > before);
        let now = resident_memory(std::process::id()).unwrap();
        // The kernel counts pages for each processor apart and adds up roughly: two readings may differ by some hundred KiB.
        assert!(now > 1 << 20 && peak_memory(std::process::id()).unwrap() + (1 << 20) >= now);
    }
}
