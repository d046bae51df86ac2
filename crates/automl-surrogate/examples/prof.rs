#![allow(missing_docs, clippy::print_stdout)]
use automl_surrogate::*;
use std::time::Instant;
fn main() {
    let d = 10u64;
    for n in [50u64, 100, 200] {
        let draws = Draws::new(1);
        let rows: Vec<Vec<f64>> = (0..n).map(|i| (0..d).map(|j| draws.uniform(i, j)).collect()).collect();
        let targets: Vec<Option<f64>> = rows.iter().map(|row| Some(row.iter().zip(1..).map(|(x, i)| -(x - 0.3) * (x - 0.3) * 4.0 / f64::from(i)).sum::<f64>())).collect();
        let z = warp_targets(&targets);
        let cols = vec![Column::Continuous; d as usize];
        let data = TrainingSet::new(&cols, &rows, &z);
        let lik = std::cell::RefCell::new( Likelihood::new(&data));
        let h = Hyperparameters { lengthscales: vec![0.5; 10], signal_variance: 1.0, noise_variance: 1e-2 };
        let best = |f: &dyn Fn()| (0..20).map(|_| { let t = Instant::now(); f(); t.elapsed().as_secs_f64() * 1e3 }).fold(f64::MAX, f64::min);
        println!("n={n} eval {:.3} ms", best(&|| { lik.borrow_mut().evaluate(&h).unwrap(); }));
        let gp = GaussianProcess::condition(data.clone(), h.clone()).unwrap();
        let mut m = nalgebra::DMatrix::zeros(n as usize, n as usize);
        for i in 0..n as usize { for j in 0..n as usize { m[(i, j)] = gp.kernel().covariance(data.row(i), data.row(j)); } m[(i,i)] += 0.01; }
        println!("  chol {:.3}", best(&|| { Cholesky::new(&m).unwrap(); }));
        let inv = std::cell::RefCell::new(m.clone()); let c = Cholesky::new(&m).unwrap();
        println!("  inverse {:.3}", best(&|| { let mut inv = inv.borrow_mut(); c.inverse_lower(&mut inv); }));
        println!("  predict1024 {:.3}", best(&|| { gp.predict(&rows.iter().cycle().take(1024).cloned().collect::<Vec<_>>()); }));
        let surface = Surface { model: &gp, acquisition: Acquisition::LogExpectedImprovement { incumbent: gp.incumbent().unwrap() }, feasibility: None };
        let mut g = vec![0.0; 10];
        let t = Instant::now(); for _ in 0..100 { surface.value_with_gradient(&rows[3], &mut g); } println!("  grad {:.4}", t.elapsed().as_secs_f64() * 10.0);
        println!("  cold fit {:.3}", best(&|| { fit(data.clone(), &FitOptions::default()).unwrap(); }));
        let gp = fit(data.clone(), &FitOptions::default()).unwrap();
        println!("  {:?}", gp.hyperparameters());
        let w = FitOptions { warm_start: Some(gp.hyperparameters().clone()), deterministic: false };
        let data1 = TrainingSet::new(&cols, &rows[..n as usize - 1], &warp_targets(&targets[..n as usize - 1]));
        println!("  warm fit {:.3}", best(&|| { fit(data1.clone(), &w).unwrap(); }));
        let surface = Surface { model: &gp, acquisition: Acquisition::LogExpectedImprovement { incumbent: gp.incumbent().unwrap() }, feasibility: None };
        let cand: Vec<Vec<f64>> = (0..1024).map(|i| (0..d).map(|j| Draws::new(7).uniform(i, j)).collect()).collect();
        let p = SearchProblem { columns: &cols, canonicalise: &|_, _| () };
        println!("  search {:.3}", best(&|| { maximize(&surface, p, cand.clone(), 3); }));
    }
}
