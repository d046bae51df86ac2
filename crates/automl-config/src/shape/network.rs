//! Network configs: the format's sections and our own, `launch`.

use super::{Others, Shape, TEXT_OR_TEXTS, TEXTS, Table, optional, required};

const BY_NAME: Shape = Shape::Map(&Shape::Text);
const PATHS: Shape = Shape::Map(&TEXT_OR_TEXTS);
const VALUES: Shape = Shape::Map(&Shape::Any);
const LISTS: Shape = Shape::Map(&TEXTS);

const API_PARAMS: Shape = Shape::Object(
    &[
        optional("dataset_type", Shape::Text, "kind of data, for example `segmentation`"),
        optional("actions", TEXTS, "actions of the network"),
        optional("formats", TEXTS, "dataset formats it accepts; the first is assumed"),
        optional("accepted_ds_intents", TEXTS, "what datasets may be for"),
        optional("image", Shape::Text, "container image"),
        optional("image_override_per_action", BY_NAME, "container image of single actions"),
        optional("spec_backend", Shape::Text, "format of specs: yaml, json or toml"),
        optional("actions_pipe", BY_NAME, "handler class of each action"),
        optional(
            "recursive_dataset_file_download",
            Shape::Truth,
            "whether dataset folders are fetched whole",
        ),
        optional("classwise", Shape::Any, "for other readers"),
        optional("version", Shape::Any, "for other readers"),
        optional("realtime_infer_support", Shape::Any, "for other readers"),
        optional("chaining_rules", Shape::Any, "for other readers"),
    ],
    Others::Open,
);

const DATA_SOURCE: Shape = Shape::Object(
    &[
        required(
            "source",
            Shape::Text,
            "train_datasets, eval_dataset, inference_dataset, calibration_dataset or id",
        ),
        optional("path", Shape::Text, "file within the dataset; the dataset itself where absent"),
        optional("multiple_sources", Shape::Truth, "whether every dataset gives an item of a list"),
        optional("mapping", VALUES, "objects from key to path"),
        optional("value", Shape::Any, "fixed value, with placeholders"),
        optional("optional", Shape::Truth, "whether the dataset may be missing"),
        optional("transform", TEXT_OR_TEXTS, "functions applied from left to right"),
        optional("conditional", VALUES, "fact about the dataset that must hold"),
        optional("value_from_metadata", VALUES, "value looked up by a fact about the dataset"),
        optional("path_from_convert_job_spec", VALUES, "path looked up by a value of the parent's spec"),
        optional("path_from_format", PATHS, "path by format"),
        optional("path_from_intent", PATHS, "path by intent"),
        optional("path_from_type", PATHS, "path by type"),
        optional("path_from_source", PATHS, "path by source"),
        optional("path_from_model_type", PATHS, "path by model type"),
        optional("check_key_exists", Shape::Text, "for other readers"),
    ],
    Others::Open,
);

const LAUNCH: Shape = Shape::Object(
    &[
        required("command", TEXTS, "argument vector, with placeholders such as {spec}"),
        optional("environment", BY_NAME, "variables and values, with placeholders"),
        optional("workdir", Shape::Text, "folder to start in"),
        optional("fidelity", FIDELITY, "how the length of a training is set"),
        optional("resume", RESUME, "what checkpoints are called"),
        optional("stop_file", Shape::Text, "file in the results folder that asks the program to end"),
        optional("logs", Shape::List(&LOG), "what is read for metrics, the most trusted first"),
        optional("line_patterns", TEXTS, "regular expressions of printed lines, with named groups"),
        optional("seed_key", Shape::Text, "spec key that gets the seed"),
        optional("gpu_ids_key", Shape::Text, "spec key that gets the GPU numbers"),
        optional("inherit", TEXTS, "parts of the spec that a job takes over from its parent"),
        optional("error_patterns", Shape::List(&ERROR_PATTERN), "known failures"),
        optional("adapter", Shape::Text, "packaged script that {adapter} names, written beside each spec"),
        optional("silence_limit_s", Shape::Whole, "seconds without output after which it hangs"),
        optional("success", SUCCESS, "what a good end takes beside exit code 0"),
    ],
    Others::Closed,
);

const FIDELITY: Shape = Shape::Object(
    &[
        required("key", Shape::Text, "spec key with the length of a full training"),
        optional("unit", Shape::Text, "what is counted; `epoch` where absent"),
        optional("stop_after_env", Shape::Text, "variable that says after how many units to stop"),
    ],
    Others::Closed,
);

const RESUME: Shape = Shape::Object(
    &[
        required("pattern", Shape::Text, "regular expression of checkpoint paths, with the group `epoch`"),
        optional("first_epoch", Shape::Whole, "number of the first epoch in file names"),
    ],
    Others::Closed,
);

const LOG: Shape = Shape::Object(
    &[
        optional("path", Shape::Text, "file relative to the results folder"),
        optional("stream", Shape::Words(&["stdout", "stderr"]), "stream of the program"),
        required("format", Shape::Text, "status_json, json_lines, csv, tensorboard or text"),
    ],
    Others::Closed,
);

const ERROR_PATTERN: Shape = Shape::Object(
    &[
        required("pattern", Shape::Text, "regular expression of log lines"),
        required("advice", Shape::Text, "what to do about it"),
        optional(
            "policy",
            Shape::Words(&["infeasible", "fail", "retry", "retry_elsewhere", "stop"]),
            "what follows from it; by how the program ended where absent",
        ),
    ],
    Others::Closed,
);

const METRICS: Shape = Shape::Object(
    &[
        optional("available_metrics", TEXTS, "names that the network reports"),
        optional(
            "monitoring_metric",
            Shape::Either(&[Shape::Text, TEXTS, Shape::Null]),
            "the metric that counts; the first of several",
        ),
        optional("dynamic_metric_patterns", TEXTS, "regular expressions of further names"),
        optional(
            "direction",
            Shape::Words(&["minimize", "maximize"]),
            "what is good for the monitoring metric",
        ),
        optional(
            "directions",
            Shape::Map(&Shape::Words(&["minimize", "maximize"])),
            "what is good for single metrics, by name",
        ),
        optional(
            "incomparable",
            Shape::List(&INCOMPARABLE),
            "metrics that cannot be the objective where some parameters are searched",
        ),
        optional("needs", Shape::List(&NEED), "spec keys without which metrics are not reported"),
    ],
    Others::Open,
);

const INCOMPARABLE: Shape = Shape::Object(
    &[
        required("metrics", TEXTS, "patterns of the metrics"),
        required("across", TEXTS, "patterns of the parameters that rescale them"),
        required("because", Shape::Text, "why, in words"),
        required("instead", TEXTS, "metrics that can be compared"),
    ],
    Others::Closed,
);

const NEED: Shape = Shape::Object(
    &[
        required("metrics", TEXTS, "patterns of the metrics"),
        required("set", VALUES, "spec keys and their values"),
    ],
    Others::Closed,
);

const SUCCESS: Shape = Shape::Object(
    &[
        optional("line", Shape::Text, "regular expression of a line that only a whole training prints"),
        optional(
            "last_epoch",
            Shape::Truth,
            "whether the objective must be there for the last epoch of the attempt, the first being 0",
        ),
        optional("unless", Shape::Text, "spec key with which the program may end before the last epoch"),
        optional("failure_lines", TEXTS, "regular expressions of lines that mean failure, exit code or no"),
    ],
    Others::Closed,
);

const PACKAGE: Shape = Shape::Object(
    &[
        required("name", Shape::Text, "name of the installed package"),
        required("program", Shape::Text, "program of the package, looked for on the PATH"),
        required("versions", TEXTS, "versions that this config was tried with"),
        required("install", Shape::Text, "command that installs it"),
        optional("moved", Shape::List(&MOVED), "what is different in other versions"),
    ],
    Others::Closed,
);

const MOVED: Shape = Shape::Object(
    &[
        required("since", Shape::Text, "first version in which it is so"),
        required("keys", TEXTS, "the keys that moved, in words"),
    ],
    Others::Closed,
);

/// The file's table.
pub(crate) const NETWORK: Table = Table {
    title: "Network config",
    definitions: &[],
    root: Shape::Object(
        &[
            required("api_params", API_PARAMS, "what the network is and which actions it has"),
            optional(
                "data_sources",
                Shape::Map(&Shape::Map(&DATA_SOURCE)),
                "spec keys filled from datasets, by action",
            ),
            optional("spec_params", Shape::Map(&VALUES), "spec keys filled by functions, by action"),
            optional("automl_spec_params", VALUES, "spec keys filled for each trial of a search"),
            optional("package", PACKAGE, "the installed package that the network is about"),
            optional("metrics", METRICS, "what the network reports and which of it counts"),
            optional("launch", Shape::Map(&LAUNCH), "how each action's program is run"),
            optional("dataset_validation", VALUES, "files that each dataset format must have"),
            optional("dynamic_config", VALUES, "rules by model type, parent action and action"),
            optional(
                "cloud_upload",
                Shape::Object(
                    &[
                        optional("upload_strategy", VALUES, "when results are uploaded, by action"),
                        optional("retain_patterns", LISTS, "files to keep, by action"),
                        optional("exclude_patterns", LISTS, "files to leave out, by action"),
                    ],
                    Others::Open,
                ),
                "what of the results is uploaded",
            ),
            optional("upload_strategy", VALUES, "when results are uploaded, by action"),
            optional("actions_mapping", VALUES, "network and action that stand in for an action"),
            optional("additional_download", VALUES, "files fetched before an action"),
            optional("preserve_source_path_params", Shape::Any, "for other readers"),
            optional("companion_onnx_bin_download", Shape::Any, "for other readers"),
            optional("checkpoint", Shape::Any, "for other readers"),
            optional("cli_params", Shape::Any, "for other readers"),
            optional("$schema", Shape::Text, "format of this file, for editors"),
        ],
        Others::Open,
    ),
};
