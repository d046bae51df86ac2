//! `metrics`: names, the one that counts, and patterns of further names.

use crate::world::{World, action};
use automl_config::{JobRecipe, NetworkRequest};
use automl_core::Direction;
use serde_json::json;

fn resolved(metrics: &str, metric: Option<&str>) -> Result<JobRecipe, String> {
    let world = World::new().network("n", &format!(r#"{{"metrics": {metrics}}}"#)).spec(
        "n",
        "train",
        json!({"x": 1}),
    );
    let request = NetworkRequest { metric: metric.map(String::from), ..action("n", "train") };
    world.resolve(&request).map_err(|problems| problems.to_string())
}

const SEGFORMER: &str =
    r#"{"available_metrics": ["val_miou", "val_mAcc", "val_acc"], "monitoring_metric": "val_miou"}"#;

#[test]
fn monitoring_metric_is_the_objective() {
    let objective = resolved(SEGFORMER, None).unwrap().objective.unwrap();
    assert_eq!((objective.metric.as_str(), objective.direction), ("val_miou", Direction::Maximize));
    let rules = resolved(SEGFORMER, Some("val_acc")).unwrap().trial.metric_rules().clone();
    assert_eq!((rules.monitoring.as_str(), rules.available.len()), ("val_acc", 3));
    assert!(resolved(SEGFORMER, Some("miou")).unwrap_err().contains("no metric `miou`"));
}

/// Names that follow a pattern are metrics as well; the rest is not.
#[test]
fn dynamic_patterns_name_further_metrics() {
    let sparse4d = r#"{"available_metrics": ["val_hota", "val_mAP"], "monitoring_metric": "val_mAP",
        "dynamic_metric_patterns": ["^lr$", "^loss_cls_\\d+$", "^loss_box_\\d+$",
            "^img_bbox_NuScenes/\\w+_AP_dist_[0-9.]+$", "^img_bbox_NuScenes/mAP$"]}"#;
    for name in ["loss_cls_3", "lr", "img_bbox_NuScenes/car_AP_dist_0.5", "img_bbox_NuScenes/mAP"] {
        let objective = resolved(sparse4d, Some(name)).unwrap().objective.unwrap();
        assert_eq!(objective.metric, name);
    }
    for name in ["loss_cls_x", "my_lr", "img_bbox_NuScenes/car"] {
        assert!(resolved(sparse4d, Some(name)).is_err(), "{name}");
    }
}

/// Of several the first counts; null leaves the choice to the user, and a job does without.
#[test]
fn monitoring_metric_may_be_a_list_or_null() {
    let list = r#"{"monitoring_metric": ["val/avg_loss", "val/acc"]}"#;
    assert_eq!(resolved(list, None).unwrap().objective.unwrap().metric, "val/avg_loss");
    assert_eq!(resolved(r#"{"monitoring_metric": null}"#, None).unwrap().objective, None);
}

#[test]
fn direction_is_stated_or_follows_from_the_name() {
    let direction = |metrics: &str| resolved(metrics, None).unwrap().objective.unwrap().direction;
    assert_eq!(
        direction(r#"{"monitoring_metric": "fid50k_full", "direction": "minimize"}"#),
        Direction::Minimize
    );
    assert_eq!(direction(r#"{"monitoring_metric": "train_loss"}"#), Direction::Minimize);
    assert_eq!(
        direction(r#"{"monitoring_metric": "val_loss", "direction": "maximize"}"#),
        Direction::Maximize
    );
}
