//! Every example of the network integration guide on rules, mappings, functions and metrics, taken from
//! a config through the resolver to the spec that its text promises.

mod actions_mapping;
mod complete;
mod dynamic_config;
mod functions;
mod metrics;
mod world;
