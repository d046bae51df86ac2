//! Arguments of `serve`.

use clap::{ArgGroup, Args};
use std::net::{Ipv4Addr, SocketAddr};

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
#[command(after_help = EXAMPLES, group = ArgGroup::new("door").args(["stdio", "listen"]).required(true))]
pub(crate) struct ServeArgs {
    /// Answer on standard output what is asked on standard input
    #[arg(long)]
    pub(crate) stdio: bool,
    /// Answer HTTP requests at this address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Allow an address that other machines can reach
    #[arg(long, requires = "listen")]
    pub(crate) allow_remote: bool,
}

/// Reads an address with its port. `localhost` is the one by which this machine reaches itself.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let local = port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let expected = "expected ADDRESS:PORT, such as 127.0.0.1:8080, localhost:8080 or [::1]:8080";
    local.or_else(|| text.parse().ok()).ok_or_else(|| expected.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port() {
        assert_eq!(address("localhost:80").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(address("[::1]:0").unwrap().to_string(), "[::1]:0");
        for wrong in ["localhost", "localhost:", "127.0.0.1", "127.0.0.1:99999", "example.org:80", ""] {
            assert!(address(wrong).unwrap_err().contains("127.0.0.1:8080"), "{wrong}");
        }
    }
}
