//! Progress bars on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A piece of work under way; the bar disappears when this is dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn start(shown: bool, total: Option<u64>, text: String) -> Self {
        let bar = match (shown, total) {
            (false, _) => ProgressBar::hidden(),
            (true, Some(total)) => {
                ProgressBar::new(total).with_style(style("{msg} {wide_bar} {human_pos}/{human_len}"))
            }
            (true, None) => {
                let bar = ProgressBar::new_spinner().with_style(style("{spinner} {msg} {human_pos}"));
                bar.enable_steady_tick(Duration::from_millis(120));
                bar
            }
        };
        Self { bar: bar.with_message(text) }
    }

    /// Notes that `steps` more are done.
    pub fn add(&self, steps: u64) {
        self.bar.inc(steps);
    }

    /// Notes that `steps` are done in all.
    pub fn reach(&self, steps: u64) {
        self.bar.set_position(steps);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_invalid| ProgressStyle::default_bar())
}
