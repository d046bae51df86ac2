//! Arguments of `serve`.

use clap::Args;
use std::net::SocketAddr;

const EXAMPLES: &str = "Examples:
  automl serve --stdio
  automl serve --listen 127.0.0.1:8080

Over standard streams, one JSON object a line is one call, and one line is its answer:
  {\"id\": 1, \"method\": \"create\", \"params\": {\"space\": [{\"name\": \"x\", \"type\": \"float\", \"low\": 0, \"high\": 1}],
   \"objective\": {\"name\": \"loss\", \"direction\": \"minimize\"}}}
  {\"id\": 2, \"method\": \"ask\"}
  {\"id\": 3, \"method\": \"tell\", \"params\": {\"trial\": 1, \"state\": \"complete\", \"value\": 0.25}}";

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Answer on standard output what is asked on standard input
    #[arg(long, conflicts_with = "listen", required_unless_present = "listen")]
    pub(crate) stdio: bool,
    /// Answer HTTP requests at this address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Allow an address that other machines can reach
    #[arg(long, requires = "listen")]
    pub(crate) allow_remote: bool,
}
