//! What no honest program writes: it is refused by name or kept opaque, nothing is lost, and the work goes on.

mod commits;
mod frames;
mod hand;
