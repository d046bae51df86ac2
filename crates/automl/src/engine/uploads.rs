//! The engine's side of uploads: which files go, and what people should know.
//!
//! Whatever happens to an upload is a note. No event depends on one.

use super::Control;
use automl_config::{UploadRules, UploadStrategy};
use automl_transfer::{Choose, Outcome, Place, Source, Uploader};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Time between two looks at whether the last upload is done.
const PAUSE: Duration = Duration::from_millis(50);

/// Uploads of one study or job, where anything is uploaded.
pub(crate) struct Uploads(Option<Uploading>);

struct Uploading {
    uploader: Uploader,
    /// Where they go, for people.
    to: String,
}

impl Uploads {
    /// Starts uploading to a place, if there is one, what the rules say and does not stay; also returns
    /// why it cannot.
    pub(crate) fn start(
        to: Option<Place>,
        ledger: PathBuf,
        rules: UploadRules,
        stays: impl Fn(&str) -> bool + Send + 'static,
    ) -> (Self, Option<String>) {
        let Some(place) = to else { return (Uploads(None), None) };
        let to = place.shown().to_string();
        let choose = move |path: &str| if stays(path) { Choose::Leave } else { choose(&rules, path) };
        match Uploader::start(place, ledger.clone(), choose) {
            Ok(uploader) => (Uploads(Some(Uploading { uploader, to })), None),
            Err(error) => {
                let problem = format!("nothing is uploaded: cannot write {}: {error}", ledger.display());
                (Uploads(None), Some(problem))
            }
        }
    }

    /// Has a folder of results looked at from now on, under the name that it has where it goes.
    pub(crate) fn follow(&self, name: String, folder: PathBuf, ended: bool) {
        if let Some(uploading) = &self.0 {
            uploading.uploader.follow(Source { name, folder, ended });
        }
    }

    /// Passes on what has gone wrong.
    pub(crate) fn report(&self, tell: &mut dyn FnMut(&str)) {
        let notes = self.0.iter().flat_map(|uploading| uploading.uploader.notes());
        notes.for_each(|note| tell(&note));
    }

    /// Waits until everything is uploaded; a further wish of the user to end leaves the rest, which
    /// `again` uploads.
    pub(crate) async fn finish(
        &mut self,
        control: &mut UnboundedReceiver<Control>,
        again: &str,
        tell: &mut dyn FnMut(&str),
    ) {
        let Some(uploading) = &mut self.0 else { return };
        uploading.uploader.finish();
        let outcome = loop {
            if let Some(outcome) = uploading.uploader.outcome() {
                break outcome;
            }
            tokio::select! {
                Some(_) = control.recv() => uploading.uploader.abort(),
                () = tokio::time::sleep(PAUSE) => {}
            }
        };
        let to = uploading.to.clone();
        self.report(tell);
        tell(&in_words(&outcome, &to, again));
        self.0 = None;
    }
}

fn in_words(outcome: &Outcome, to: &str, again: &str) -> String {
    match outcome {
        Outcome { left: 0, uploaded, .. } => format!("uploaded {uploaded} files to {to}"),
        Outcome { left, uploaded, .. } => {
            format!("uploaded {uploaded} files to {to}; {left} are left, {again} tries them again")
        }
    }
}

fn choose(rules: &UploadRules, path: &str) -> Choose {
    let archive = |kind: &str| match rules.archive_stem.as_str() {
        "" => format!("{kind}.tar.gz"),
        stem => format!("{stem}_{kind}.tar.gz"),
    };
    if rules.excludes(path) {
        Choose::Leave
    } else if rules.selection.as_ref().is_some_and(|selection| selection.takes(path)) {
        Choose::Archive(archive("selective"))
    } else {
        match rules.strategy {
            UploadStrategy::Continuous => Choose::File,
            UploadStrategy::Archive => Choose::Archive(archive("results")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> UploadRules {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn rules_decide_file_by_file() {
        let plain = rules(
            r#"{"strategy": "continuous", "selection": null, "archive_stem": "", "exclude": ["\\.pth$"]}"#,
        );
        assert_eq!(choose(&plain, "a.txt"), Choose::File);
        assert_eq!(choose(&plain, "train/a.pth"), Choose::Leave);
        let whole = rules(
            r#"{"strategy": "archive", "selection": {"patterns": ["^Camera"], "base_path": "data"},
            "archive_stem": "convert", "exclude": []}"#,
        );
        assert_eq!(choose(&whole, "a.txt"), Choose::Archive("convert_results.tar.gz".into()));
        assert_eq!(choose(&whole, "data/Camera1/x"), Choose::Archive("convert_selective.tar.gz".into()));
    }
}
