//! Embeds a search in a program of your own: `cargo run --release -p automl --example embed`.
//!
//! Tunes one shell command over two parameters and prints the incumbent. The program passes itself as
//! the runner of its trials, so nothing else needs to be installed.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use automl::{Control, StudyOptions, Update};
use automl_config::CommandRequest;
use automl_core::{Algorithm, FidelityPlan, Limits, Resources};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Trials are started through a runner; this program plays it when it is called with that word.
    if let [_, word, dir] = std::env::args().collect::<Vec<_>>().as_slice()
        && word == "__runner"
    {
        std::process::exit(automl_exec::runner_main(Path::new(dir)));
    }

    let program = "BEGIN { print \"loss: \" (x - 0.3)^2 + (r - 0.01)^2 }";
    let argv = ["awk", "-v", "x={x}", "-v", "r={rate}", &program.replace('{', "{{").replace('}', "}}")];
    let mut request = CommandRequest::new("loss:min", argv.map(String::from).to_vec());
    request.params = vec!["x=0.0..1.0".into(), "rate=1e-4..1:log".into()];
    let recipe = automl_config::resolve_command(&request)?;
    let options = StudyOptions {
        name: "embedded".into(),
        further_objectives: Vec::new(),
        constraints: Vec::new(),
        algorithm: Algorithm::Auto,
        seed: 1,
        trials: Some(25),
        timeout_ms: None,
        gpu_time_ms: None,
        max_fidelity: None,
        min_fidelity: 1,
        reduction_factor: 3,
        full_first: FidelityPlan::FULL_FIRST,
        retries: 0,
        max_consecutive_failures: 5,
        limits: Limits { wall_ms: Some(10_000), grace_ms: 1_000, ..Limits::default() },
        resources: Resources { gpus: "none".into(), gpus_per_trial: 1.0, parallel: Some(2) },
        conduct: Default::default(),
        resume: None,
        workdir: std::env::current_dir()?,
    };

    let root = std::env::temp_dir().join(format!("automl-embed-{}", std::process::id()));
    let runner = vec![std::env::current_exe()?.to_string_lossy().into_owned(), "__runner".into()];
    let settings = automl::settings(&recipe, &options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut study = automl::create(&root, settings, recipe.trial, runner)?;
        let (_keep, mut control) = tokio::sync::mpsc::unbounded_channel::<Control>();
        let mut watch = |update: Update<'_>| {
            if let Update::Committed { study, .. } = update {
                eprint!("\r{} trials", study.trials.len());
            }
        };
        study.engine.run(&mut control, &mut watch).await?;
        let best = study.engine.study().incumbent().ok_or("no trial succeeded")?;
        println!("\nbest trial {}: {} -> {:?}", best.id, best.params, best.value());
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    std::fs::remove_dir_all(root)?;
    Ok(())
}
