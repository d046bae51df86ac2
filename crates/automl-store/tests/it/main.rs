//! The store as its users and its enemies see it: crashes, damage, full disks, second engines.

mod child;
mod conformance;
mod crash;
mod cuts;
mod epochs;
mod faults;
mod fsck;
mod full_disk;
mod locks;
#[path = "../../examples/durability/power.rs"]
mod power;
mod power_loss;
mod refusals;
mod repair;
mod rest;
mod support;
