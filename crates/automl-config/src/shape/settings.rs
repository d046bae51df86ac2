//! `automl.toml`.

use super::{Others, Shape, TEXT_OR_TEXTS, Table, optional};

const WORDS_OR_NUMBERS: Shape = Shape::Either(&[Shape::Text, Shape::Whole, Shape::List(&Shape::Whole)]);

const RUN: Shape = Shape::Object(
    &[
        optional("root", Shape::Text, "folder of studies"),
        optional(
            "catalog",
            Shape::Text,
            "folder of network configs and schemas that win over the packaged ones",
        ),
        optional("algorithm", Shape::Text, "search algorithm"),
        optional("executor", Shape::Text, "where trials run"),
        optional("gpus", WORDS_OR_NUMBERS, "`all`, `none` or GPU numbers"),
        optional("gpus_per_trial", Shape::Number, "GPUs of one trial; a fraction shares one"),
        optional("parallel", WORDS_OR_NUMBERS, "trials at a time, or `auto`"),
        optional("trials", Shape::Whole, "number of trials"),
        optional("max_fidelity", Shape::Whole, "fidelity of a full trial"),
        optional("min_fidelity", Shape::Whole, "smallest fidelity worth looking at"),
        optional("eta", Shape::Whole, "factor between one rung and the next"),
        optional("full_first", Shape::Whole, "first trials of a race that train fully"),
        optional("timeout", Shape::Text, "wall-clock limit of the search, for example `12h`"),
        optional("trial_timeout", Shape::Text, "wall-clock limit of an attempt"),
        optional("trial_memory", Shape::Text, "memory of all processes of an attempt, for example `20GiB`"),
        optional("trial_disk", Shape::Text, "disk space of a trial's results"),
        optional("trial_log", Shape::Text, "disk space of each log of an attempt, or `none`"),
        optional("trial_open_files", Shape::Whole, "files that each process of an attempt may have open"),
        optional("gpu_time", Shape::Text, "GPU time of all trials together, for example `100h`"),
        optional("seed", Shape::Whole, "root of every random choice"),
        optional("retry", Shape::Whole, "further attempts after a failure that may pass"),
        optional("silence_timeout", Shape::Text, "longest time without output"),
        optional("max_failures", Shape::Whole, "failed trials in a row that end the search"),
        optional("early_stop", Shape::Text, "rule by which trials are stopped: none, asha, median or curve"),
        optional("keep_checkpoints", Shape::Text, "whose checkpoints stay: all, best, none or top:N"),
        optional("disk", Shape::Text, "disk that checkpoints may take, for example `50GiB`"),
        optional("journal", Shape::Text, "whether events.jsonl stays when a study is at rest: on or off"),
        optional("upload_to", Shape::Text, "folder or URL that results are uploaded to"),
    ],
    Others::Closed,
);

const NETWORK: Shape = Shape::Object(
    &[
        optional("config", Shape::Text, "network config in place of the packaged one"),
        optional("schema", Shape::Text, "parameter schema in place of the packaged one"),
        optional("train_dataset", TEXT_OR_TEXTS, "folders of training data"),
        optional("eval_dataset", Shape::Text, "folder of validation data"),
        optional("inference_dataset", Shape::Text, "folder of data to run inference on"),
        optional("calibration_dataset", Shape::Text, "folder of data to calibrate a quantised model with"),
        optional("params", TEXT_OR_TEXTS, "parameters to search"),
        optional("metric", Shape::Text, "NAME, NAME:min or NAME:max"),
        optional("pretrained", Shape::Text, "model to start from"),
        optional("set", Shape::Map(&Shape::Any), "spec settings"),
        optional("bound", Shape::Map(&Shape::Any), "ranges in short form"),
    ],
    Others::Closed,
);

/// The file's table.
pub(crate) const SETTINGS: Table = Table {
    title: "Settings of a project",
    definitions: &[],
    root: Shape::Object(
        &[
            optional("run", RUN, "defaults of `automl run`"),
            optional("network", Shape::Map(&NETWORK), "defaults by network"),
        ],
        Others::Closed,
    ),
};
