//! The program as people run it: every command, right and wrong, and what it writes.

mod attachments;
mod bad_input;
mod bench;
mod demo;
mod device;
mod generate;
#[cfg(unix)]
mod lastmile;
mod messages;
mod operator;
mod program;
mod roster;
mod script;
mod work;
