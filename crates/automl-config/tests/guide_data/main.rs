//! Every example of the network guide that is about data, through the resolver to the spec of a trial.

mod api_params;
mod choices;
mod complete;
mod datasets;
mod harness;
mod sources;
mod transfers;
mod validation;
