//! The terms on a batch, for a matrix of any stage: with p, u, q, c₀ and c₁ of one [sample](super::online), each a
//! row here, the mean change of the matrix is
//!
//! ΔW = (Σ p y′ᵀ + Σ u e′ᵀ − θ₉ Σ y qᵀ) / batch − θ₃ W.

use burn::tensor::Tensor;

use super::{Coefficients, Term};

/// Values on one side of a matrix, `[batch, width]`.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Activations.
    pub activity: &'a Tensor<2>,
    /// Error signals of single samples.
    pub error: &'a Tensor<2>,
}

impl Coefficients {
    /// Mean change over the samples of the matrix `weights`, both `[width in, width out]`.
    #[must_use]
    pub fn change(&self, weights: &Tensor<2>, below: Side, above: Side) -> Tensor<2> {
        let of = |term| self.of(term) as f32;
        let has = |terms: &[Term]| terms.iter().any(|&term| self.of(term) != 0.0);
        let (y, e) = (above.activity, above.error);
        let mut c0 = Tensor::full([y.dims()[0], 1], of(Term::PseudoGradient), &y.device());
        let mut c1 = c0.full_like(of(Term::ActivityError));
        if has(&[Term::ActivePseudoGradient]) {
            c0 = c0 + y.clone().mean_dim(1) * of(Term::ActivePseudoGradient);
        }
        if has(&[Term::MatchedPseudoGradient, Term::MatchedActivityError]) {
            let s = (below.error.clone().matmul(weights.clone()) * y.clone()).sum_dim(1);
            c0 = c0 + s.clone() * of(Term::MatchedPseudoGradient);
            c1 = c1 + s * of(Term::MatchedActivityError);
        }
        if has(&[Term::DrivenActivityError]) {
            let r = (below.activity.clone().matmul(weights.clone()) * e.clone()).sum_dim(1);
            c1 = c1 + r * of(Term::DrivenActivityError);
        }
        let p = y.clone() * of(Term::Oja) - c0 * e.clone();
        let mut change = below.activity.clone().transpose().matmul(p);
        let by_error = [
            Term::ActivityError,
            Term::ErrorHebb,
            Term::InputError,
            Term::MatchedActivityError,
            Term::DrivenActivityError,
        ];
        if has(&by_error) {
            let u = c1 * y.clone() + e.clone() * of(Term::ErrorHebb) + of(Term::InputError);
            change = change - below.error.clone().transpose().matmul(u);
        }
        if has(&[Term::Oja]) {
            let q = y.clone().matmul(weights.clone().transpose());
            change = change - q.transpose().matmul(y.clone()) * of(Term::Oja);
        }
        change / y.dims()[0] as f32 - weights.clone() * of(Term::Decay)
    }
}
