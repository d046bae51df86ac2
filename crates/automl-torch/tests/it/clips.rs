//! Tiny clips of a bright square that moves, a spec for them, and the binary on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::fixture::{binary, checkpoints, status};

/// Classes with the square's motion to the right in px a frame.
const CLASSES: [(&str, i32); 2] = [("backward", -2), ("forward", 2)];
/// Frames of every clip.
const FRAMES: i32 = 6;

const SPEC: &str = "
dataset:
  label_map: {backward: 0, forward: 1}
  batch_size: 2
  clips_per_video: 2
  augmentation_config: {train_crop_type: no_crop, horizontal_flip_prob: 0.0}
model:
  model_type: joint
  backbone: resnet_test
  rgb_seq_length: 2
  of_seq_length: 3
  num_fc: 8
  input_width: 16
  input_height: 16
train: {num_epochs: 3, optim: {lr: 0.02, lr_scheduler: AutoReduce, patience: 0, min_lr: 0.0}}
";

/// A folder with clips, a spec, and runs of the binary in it.
pub(crate) struct Clips {
    dir: tempfile::TempDir,
}

impl Clips {
    /// Three training and two test clips of each class.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (split, clips) in [("train", 3), ("test", 2)] {
            for (class, step) in CLASSES {
                for clip in 0..clips {
                    make_clip(&dir.path().join(split).join(class).join(format!("{clip:02}")), clip, step);
                }
            }
        }
        std::fs::write(dir.path().join("spec.yaml"), SPEC).expect("a spec");
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The binary on one action, with the folders and `results_dir` set, and more arguments.
    pub(crate) fn command(&self, action: &str, results: &str, arguments: &[&str]) -> Command {
        let mut command = binary(&["action_recognition", action, "-e"]);
        command.arg(self.path("spec.yaml"));
        for (key, name) in [
            ("dataset.train_dataset_dir", "train"),
            ("dataset.val_dataset_dir", "test"),
            ("evaluate.test_dataset_dir", "test"),
            ("inference.inference_dataset_dir", "test/forward"),
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

    pub(crate) fn status(&self, folder: &str) -> Vec<Value> {
        status(&self.path(folder))
    }

    pub(crate) fn checkpoints(&self, folder: &str) -> Vec<String> {
        checkpoints(&self.path(folder))
    }
}

/// Frames of the square on a dark ground, and its motion as flow.
fn make_clip(dir: &Path, clip: i32, step: i32) {
    for frame in 0..FRAMES {
        let left = 8 + (frame - FRAMES / 2) * step;
        let inside = |x: u32, y: u32| {
            (left..left + 5).contains(&(x as i32)) && (5 + clip..10 + clip).contains(&(y as i32))
        };
        let shade = 180 + 20 * clip as u8;
        save(dir, "rgb", frame, |x, y| if inside(x, y) { [shade, 220, 90] } else { [20, 40, 60] });
        let motion = (128 + step * 30) as u8;
        save(dir, "u", frame, |x, y| if inside(x, y) { [motion; 3] } else { [128; 3] });
        save(dir, "v", frame, |_, _| [128; 3]);
    }
}

fn save(dir: &Path, folder: &str, frame: i32, pixel: impl Fn(u32, u32) -> [u8; 3]) {
    let folder = dir.join(folder);
    std::fs::create_dir_all(&folder).expect("a folder for frames");
    let picture = image::RgbImage::from_fn(16, 16, |x, y| image::Rgb(pixel(x, y)));
    picture.save(folder.join(format!("{frame:03}.png"))).expect("a picture file");
}
