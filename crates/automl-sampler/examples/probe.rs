//! scratch
use automl_core::*;
use automl_sampler::*;
use std::time::Instant;
fn main() {
    let d = 10;
    let space = SearchSpace::new(
        (0..d)
            .map(|i| {
                Parameter::new(
                    format!("x{i}"),
                    Distribution::Float {
                        low: 1e-5,
                        high: 1.0,
                        scale: if i < 3 { Scale::Log } else { Scale::Linear },
                        step: None,
                    },
                )
            })
            .collect(),
    )
    .unwrap();
    let objective = Objective { metric: "l".into(), direction: Direction::Minimize };
    for n in [1000u64] {
        let mut history = History::default();
        for t in 1..=n {
            let params = Random.suggest(&space, &History::default(), TrialId(t), 3).unwrap().params;
            let v: f64 = params.iter().map(|(_, v)| (v.as_f64().unwrap() - 0.3).powi(2)).sum();
            history.observations.push(Observation::single(
                TrialId(t),
                params,
                objective.loss(v).unwrap(),
                Fidelity(1),
            ));
        }
        for kind in std::env::args().skip(1) {
            let kind = match kind.as_str() {
                "tpe" => SamplerKind::Tpe,
                _ => SamplerKind::Bayesian,
            };
            let s = kind.build();
            let mut best = f64::MAX;
            for k in 0..3000 {
                let start = Instant::now();
                let got = s.suggest(&space, &history, TrialId(n + 1 + k), 1).unwrap();
                best = best.min(start.elapsed().as_secs_f64());
                assert!(got.origin.model != "sobol");
            }
            println!("{kind:?} n={n}: {:.3} ms", best * 1e3);
        }
    }
}
