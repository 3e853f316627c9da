//! Reports over hand-made replicas, on both engines.

mod city;
mod exports;
mod members;
mod places;
mod quality;
mod sessions;
mod world;
