//! `automl serve`.

use crate::args::ServeArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::Project;
use automl_serve::http::{Listener, Token, serve as serve_http};
use automl_serve::{Service, stdio};
use serde_json::json;
use std::io;
use std::net::SocketAddr;
use tokio::signal::unix::{SignalKind, signal};

/// Name of the file below the root that keeps the bearer token.
const TOKEN_FILE: &str = "serve.token";

/// Answers asks and tells until the input ends, or a signal comes.
pub(super) fn run(args: &ServeArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    match args.listen {
        None => {
            let mut service = Service::new(project.root.clone());
            let streams = (io::stdin().lock(), io::stdout().lock());
            stdio::serve(&mut service, streams.0, streams.1)
                .map_err(|error| Failure::new(Exit::Environment, format!("standard streams: {error}")))?;
        }
        Some(address) => {
            if !address.ip().is_loopback() && !args.allow_remote {
                let message = format!(
                    "{address} can be reached from other machines; add `--allow-remote` if that is wanted \
                     (requests need the token, but are not encrypted)"
                );
                return Err(Failure::new(Exit::Usage, message));
            }
            listen(address, project, output)?;
        }
    }
    Ok(Exit::Done)
}

fn listen(address: SocketAddr, project: &Project, output: Output) -> Result<(), Failure> {
    let failed = |what: &str| {
        let what = what.to_string();
        move |error: io::Error| Failure::new(Exit::Environment, format!("{what}: {error}"))
    };
    let file = project.root.join(TOKEN_FILE);
    let token = Token::keep(&file).map_err(|error| Failure::new(Exit::Environment, error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(failed("cannot wait for requests"))?.block_on(async {
        let listener =
            Listener::bind(address).await.map_err(failed(&format!("cannot listen at {address}")))?;
        let bound = listener.address().map_err(failed("cannot tell the address"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("cannot listen for signals"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed("cannot listen for signals"))?;
        announce(bound, &token, &file, output)?;
        let stop = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        serve_http(listener, project.root.clone(), token, stop).await.map_err(failed("cannot go on serving"))
    })
}

fn announce(
    address: SocketAddr,
    token: &Token,
    file: &std::path::Path,
    output: Output,
) -> Result<(), Failure> {
    let url = format!("http://{address}");
    if output.json {
        return output.object(&json!({"url": url, "token": token.text(), "token_file": file}));
    }
    output.data(&format!("listening at {url}"))?;
    output.data(&format!("token {} (kept in {})", token.text(), file.display()))
}
