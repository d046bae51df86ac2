//! The actions that classify whole clips with a checkpoint: `evaluate` and `inference`.

use std::fmt::Write as _;

use serde_json::json;

use super::classify::{Asking, most_probable, probabilities};
use super::data::clips::ClipSet;
use super::job::Job;
use super::net::Network;
use super::score::Confusion;
use super::spec::VideoSpec;
use crate::error::TrainerError;
use crate::run::Ending;
use crate::status::{Status, say};

/// Results of `inference`, one JSON object a line.
const PREDICTIONS: &str = "predictions.jsonl";

/// Measures the accuracy of `evaluate.checkpoint` on `evaluate.test_dataset_dir`.
pub(crate) fn evaluate(job: &mut Job<'_>) -> Result<Ending, TrainerError> {
    let settings = job.spec.evaluate.clone();
    let set = job.labelled(&settings.dir, "evaluate.test_dataset_dir")?;
    let (network, epochs) = job.load(&settings.checkpoint, "evaluate.checkpoint")?;
    let mut confusion = Confusion::new(job.spec.dataset.classes.len());
    for (clip, shares) in set.clips.iter().zip(classify(job, &network, &set, &settings)?) {
        confusion.count(clip.class.expect("a labelled set"), most_probable(&shares));
    }
    for (class, accuracy) in job.spec.dataset.classes.iter().zip(confusion.class_accuracies()) {
        say(&match accuracy {
            Some(accuracy) => format!("{class:<14}{accuracy:.2}"),
            None => format!("{class:<14}no clips"),
        });
    }
    let (total, mean) = (confusion.accuracy(), confusion.mean_class_accuracy());
    say(&format!("Total accuracy: {total:.3}"));
    say(&format!("Average class accuracy: {mean:.3}"));
    say(&format!("epoch: {} accuracy: {total:.3} m_accuracy: {mean:.3}", epochs.saturating_sub(1)));
    let kpi = [("accuracy".to_owned(), total), ("m_accuracy".to_owned(), mean)];
    job.run.status.write_metrics(&kpi, "Evaluation metrics generated.")?;
    job.run.status.write(Status::Success, "Evaluation finished successfully.")?;
    Ok(Ending::Finished)
}

/// Writes the classes of the clips in `inference.inference_dataset_dir`.
pub(crate) fn inference(job: &mut Job<'_>) -> Result<Ending, TrainerError> {
    let settings = job.spec.inference.clone();
    let set = job.unlabelled(&settings.dir, "inference.inference_dataset_dir")?;
    let (network, _) = job.load(&settings.checkpoint, "inference.checkpoint")?;
    let classes = &job.spec.dataset.classes;
    let mut lines = String::new();
    for (clip, shares) in set.clips.iter().zip(classify(job, &network, &set, &settings)?) {
        let best = most_probable(&shares);
        say(&format!("{} : {} ({:.3})", clip.path.display(), classes[best], shares[best]));
        let shares: serde_json::Map<_, _> =
            classes.iter().cloned().zip(shares.into_iter().map(Into::into)).collect();
        let line = json!({ "clip": clip.path, "class": classes[best], "probabilities": shares });
        writeln!(lines, "{line}").expect("writing to a string cannot fail");
    }
    let path = job.run.dir.join(PREDICTIONS);
    std::fs::write(&path, lines).map_err(|source| TrainerError::Results { path: path.clone(), source })?;
    say(&format!("predictions: {} written to {}", set.clips.len(), path.display()));
    job.run.status.write(Status::Success, "Inference finished successfully.")?;
    Ok(Ending::Finished)
}

fn classify(
    job: &Job<'_>,
    network: &Network,
    set: &ClipSet,
    settings: &VideoSpec,
) -> Result<Vec<Vec<f64>>, TrainerError> {
    let asking = Asking {
        windows: settings.windows,
        batch_size: settings.batch_size,
        workers: job.workers(),
        device: job.device,
    };
    probabilities(network, &job.sampler(set), asking)
}
