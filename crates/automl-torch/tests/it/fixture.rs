//! Tiny images with coloured shapes, a spec for them, and the binary with fixed surroundings.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

/// A folder with data, a spec, and runs of the binary in it.
pub(crate) struct Fixture {
    dir: tempfile::TempDir,
}

const SPEC: &str = "
dataset: {crop_size: 32, min_obj_size: 0}
model:
  arch: vit-test/8
  mask_head_num_convs: 2
  mask_head_hidden_channel: 8
  mask_head_out_channel: 8
  teacher_momentum: 0.9
  vit_dpr: 0.2
train: {num_epochs: 3, batch_size: 2, lr: 1.0e-3, crf_num_iter: 3, loss_mil_step: 2, loss_crf_step: 2}
";

impl Fixture {
    /// Two training and two validation images with three objects each.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for split in ["train", "val"] {
            let images = dir.path().join(split);
            std::fs::create_dir(&images).expect("a folder for images");
            make_split(&images, split == "val");
        }
        std::fs::write(dir.path().join("spec.yaml"), SPEC).expect("a spec");
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The binary on one action, with the data paths and `results_dir` set, and more arguments.
    pub(crate) fn command(&self, action: &str, results: &str, arguments: &[&str]) -> Command {
        let mut command = binary(&["mal", action, "-e"]);
        command.arg(self.path("spec.yaml"));
        for (key, name) in [
            ("dataset.train_ann_path", "train/annotations.json"),
            ("dataset.train_img_dir", "train"),
            ("dataset.val_ann_path", "val/annotations.json"),
            ("dataset.val_img_dir", "val"),
            ("results_dir", results),
        ] {
            command.arg(format!("{key}={}", self.path(name).display()));
        }
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, action: &str, results: &str, arguments: &[&str]) -> Output {
        self.command(action, results, arguments).output().expect("the binary starts")
    }

    pub(crate) fn spawn(&self, results: &str, arguments: &[&str]) -> Child {
        let mut command = self.command("train", results, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts")
    }

    /// Lines of a status file below the fixture's folder.
    pub(crate) fn status(&self, folder: &str) -> Vec<Value> {
        status(&self.path(folder))
    }

    /// Names of the checkpoints in a folder, sorted.
    pub(crate) fn checkpoints(&self, folder: &str) -> Vec<String> {
        checkpoints(&self.path(folder))
    }
}

/// The binary with fixed surroundings: one thread, no GPU, no pause.
pub(crate) fn binary(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_automl-torch"));
    command.args(arguments).env("OMP_NUM_THREADS", "1").env_remove("EARLY_STOP_EPOCH");
    command.env("CUDA_VISIBLE_DEVICES", "").stdin(Stdio::null());
    command
}

/// Lines of the status file in a folder.
pub(crate) fn status(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("status.json")).expect("a status file");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// Names of the checkpoints in a folder, sorted.
pub(crate) fn checkpoints(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a results folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut names: Vec<String> = names.filter(|name| name.starts_with("model_epoch_")).collect();
    names.sort();
    names
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text on stdout")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text on stderr")
}

/// Two images with a disc, a square and a bar each; masks of the squares where asked for.
fn make_split(dir: &Path, with_masks: bool) {
    let mut annotations = Vec::new();
    for image_id in 1..=2i64 {
        let shade = 40 * image_id as u8;
        let mut image = image::RgbImage::from_pixel(64, 48, image::Rgb([shade, 90, 200]));
        for (at, [x, y, width, height]) in
            [[4, 4, 14, 14], [24, 8, 20, 16], [8, 30, 40, 10]].into_iter().enumerate()
        {
            for py in y..y + height {
                for px in x..x + width {
                    image.put_pixel(px, py, image::Rgb([220, 200 - shade, 10 * at as u8]));
                }
            }
            let mut entry = json!({"id": annotations.len() + 1, "image_id": image_id, "category_id": at % 2 + 1,
                "bbox": [x, y, width, height], "iscrowd": 0});
            if with_masks {
                let (x1, y1) = (x + width, y + height);
                entry["segmentation"] = json!([[x, y, x1, y, x1, y1, x, y1]]);
            }
            annotations.push(entry);
        }
        image.save(dir.join(format!("{image_id}.png"))).expect("an image file");
    }
    let images = json!([{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "2.png"}]);
    let file = json!({"images": images, "annotations": annotations, "categories": [{"id": 1}, {"id": 2}]});
    std::fs::write(dir.join("annotations.json"), file.to_string()).expect("an annotation file");
}
