// Logistic regression without an intercept, with an L1 penalty and labels that may be probabilities: the
// model behind length-controlled win rates. It minimises ||w||_1 + C * sum_i s_i * loss_i by proximal Newton
// steps (Yuan, Ho and Lin, An improved GLMNET for L1-regularized logistic regression, 2012), to machine
// precision.
#pragma once

#include <Eigen/Core>
#include <span>
#include <vector>

namespace poro {

struct LogisticData {
  Eigen::MatrixXd features;  // (n, d)
  Eigen::VectorXd labels;    // (n), each the probability of "yes", from 0 to 1.
  Eigen::VectorXd weights;   // (n), of the samples.
  Eigen::VectorXd offsets;   // (n), added to features * w.
};

// 1 / (1 + exp(-x)), without overflow.
double logistic(double x);

// The weights w (d) for the inverse strength `c` of the penalty.
Eigen::VectorXd fit_logistic(const LogisticData& data, double c);

// Chooses c among 10 values from 1e-4 to 1e4, evenly spaced in their logarithms, by the log loss over `folds`
// parts of the data left out in turn, and fits all data with it. Rows go to folds round robin.
struct CrossValidated {
  Eigen::VectorXd weights;
  double c;
};
CrossValidated fit_logistic_cv(const LogisticData& data, size_t folds);

}  // namespace poro
