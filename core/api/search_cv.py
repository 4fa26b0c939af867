"""`LlamaSearchCV`: a search estimator of scikit-learn that asks HyperLlama's proposers."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from hyperllama.core.api.inner_threads import inner_threads
from hyperllama.core.api.parameters import Distributions, Searched, default_space, given_space
from hyperllama.core.estimators import Facts
from hyperllama.core.propose import make_proposer
from hyperllama.core.space import SearchSpace
from hyperllama.core.trials import AskContext, Exhausted, Observed, ProposerSetting

_ALL_FAILED = "\nAll the "  # how scikit-learn begins its message where every fold failed


class LlamaSearchCV(BaseSearchCV):  # type: ignore[misc]
    """Searches the hyperparameters of an estimator with a local language model.

    The first candidate is the estimator as it is given. Then the language model opens, and a
    Gaussian process with the model's beliefs as its prior goes on. Candidates are evaluated one
    after the other, all on the same folds, and each proposal knows all scores before it.

    Parameters
    ----------
    estimator : estimator object
        A classifier, regressor or pipeline of scikit-learn, XGBoost or others alike.
    param_distributions : dict or SearchSpace, default=None
        Names of parameters (``step__param`` in pipelines) -> what may be chosen: an Optuna
        distribution, a frozen ``uniform``, ``loguniform`` or ``randint`` of scipy.stats, or a list
        of choices. None takes the default search space of HyperLlama's family of the estimator, of
        the last step of a pipeline, or of the regressor in a ``TransformedTargetRegressor``. Those
        of elastic net, SVR and MLPRegressor are made for a standardised target.
    n_trials : int, default=20
        Candidates in all. Fewer are tried where the search space holds no more.
    scoring : str, callable, list, tuple or dict, default=None
        As in ``GridSearchCV``. With several metrics `refit` names the one that is searched for.
    cv : int, cross-validation generator or iterable, default=None
        As in ``GridSearchCV``. A random splitter is asked once, so that all candidates share folds.
    model : str, default="embedded"
        "embedded", or name or path of a GGUF file.
    refit : bool, str or callable, default=True
        As in ``GridSearchCV``.
    random_state : int, RandomState instance or None, default=None
        Makes the proposals reproducible; it is not passed on to estimator or splitter.
    n_jobs : int, default=None
        Folds that are evaluated at once. They share the processors: meanwhile an ``n_jobs`` of the
        estimator or of its parts is lowered to its share.
    error_score : "raise" or numeric, default=np.nan
        The score of a fold that fails. A candidate that fails on all folds has it on each; unless
        every candidate fails, the search goes on.
    return_train_score : bool, default=False
        Whether `cv_results_` holds training scores, too.
    verbose, pre_dispatch
        As in ``GridSearchCV``.

    Attributes
    ----------
    cv_results_ : dict of numpy arrays
        As in ``GridSearchCV``, and "proposer": "default" for the estimator as given, "llama" for
        the language model, "gp" for the Gaussian process, "tpe".
    best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, refit_time_,
    multimetric_, classes_, n_features_in_, feature_names_in_
        As in ``GridSearchCV``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> tree = DecisionTreeClassifier(random_state=0)
    >>> search = LlamaSearchCV(tree, n_trials=3, random_state=0).fit(X, y)
    >>> len(search.cv_results_["params"])
    3
    """

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, SearchSpace, None],
        "n_trials": [Interval(Integral, 1, None, closed="left")],
        "model": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Distributions | None = None,
        *,
        n_trials: int = 20,
        scoring: Any = None,
        cv: Any = None,
        model: str = "embedded",
        refit: Any = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
    ) -> None:
        super().__init__(
            estimator, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv, verbose=verbose,
            pre_dispatch=pre_dispatch, error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_distributions = param_distributions
        self.n_trials = n_trials
        self.model = model
        self.random_state = random_state

    def _run_search(self, evaluate_candidates: Any) -> None:
        """Evaluate one candidate after the other; the hook of scikit-learn's search estimators."""
        folds = _SharedFolds(self._checked_cv_orig, is_classifier(self.estimator))
        self._inner_threads = inner_threads(self.estimator, self.n_jobs)
        self._failed: dict[int, tuple[dict[str, Any], str]] = {}
        self._parts: tuple[Any, ...] | None = None
        results: dict[str, Any] = {}
        failure: ValueError | None = None

        def evaluate(number: int, params: dict[str, Any], proposer: str) -> Observed:
            nonlocal results, failure
            try:
                results = evaluate_candidates(
                    [{**self._inner_threads, **params}], cv=folds,
                    more_results={"proposer": [proposer]},
                )
            except ValueError as error:
                # scikit-learn gives up where all folds of all candidates that it knows of failed
                self._failed[number] = params, proposer
                failure = error
                if not str(error).startswith(_ALL_FAILED) or len(self._failed) == self.n_trials:
                    raise
                warnings.warn(
                    f"Candidate {number} failed on all folds: {error}", FitFailedWarning,
                    stacklevel=2,
                )
                return Observed(number, {}, None, reason="all folds failed", proposer=proposer)
            value = float(self._searched_scores(results)[-1])
            return Observed(
                number, {}, value if math.isfinite(value) else None, proposer=proposer
            )

        first = evaluate(0, dict(self._searched(None).current), "default")
        searched = self._searched(folds.facts)
        with closing(make_proposer("hybrid", setting=self._setting(searched, folds))) as proposer:
            if searched.first is not None:
                proposer.tell(replace(first, config=searched.first))
            for number in range(1, self.n_trials):
                context = AskContext(number, trials_left=self.n_trials - number)
                try:
                    proposal = proposer.ask(searched.space, context)
                except Exhausted:
                    break
                trial = evaluate(number, searched.parameters(proposal.config), proposal.proposer)
                proposer.tell(replace(trial, config=proposal.config))
        if failure is not None and not results:  # all of a space with fewer than n_trials
            raise failure
        if self._failed and self._parts:  # the last candidates failed
            results.update(self._format_results(*self._parts))
        del self._failed, self._parts, self._inner_threads

    def _searched_scores(self, results: Mapping[str, Any]) -> Any:
        """The mean scores that are searched for, shape (n_candidates,)."""
        metric = self.refit if isinstance(self.refit, str) else "score"
        found = results.get(f"mean_test_{metric}", results.get("mean_test_score"))
        if found is None:
            raise ValueError("with several metrics, refit has to name the one to search for")
        return found

    def _format_results(
        self, candidate_params: list[Any], n_splits: int, out: list[Any], more_results: Any = None
    ) -> dict[str, Any]:
        """`cv_results_`, with the candidates that failed on all folds in their places."""
        for number, (params, proposer) in self._failed.items():
            score = {k: dict.fromkeys(v, self.error_score) if isinstance(v, dict)
                     else self.error_score
                     for k, v in out[0].items() if k in ("test_scores", "train_scores")}
            failed = {**out[0], **score, "fit_time": 0.0, "score_time": 0.0}
            candidate_params.insert(number, params)
            out[number * n_splits : number * n_splits] = [failed] * n_splits
            more_results["proposer"].insert(number, proposer)
        self._failed.clear()
        hidden = self._inner_threads.keys()
        candidate_params = [
            {k: v for k, v in given.items() if k not in hidden} for given in candidate_params
        ]
        self._parts = candidate_params, n_splits, out, more_results
        with warnings.catch_warnings():  # it would come again with every candidate after a failure
            warnings.filterwarnings("ignore", "One or more of the (test|train) scores", UserWarning)
            results: dict[str, Any] = super()._format_results(*self._parts)
        return results

    def _searched(self, facts: Facts | None) -> Searched:
        if self.param_distributions is None:
            return default_space(self.estimator, facts)
        return given_space(self.estimator, self.param_distributions)

    def _setting(self, searched: Searched, folds: _SharedFolds) -> ProposerSetting:
        return ProposerSetting(
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            kind="classification" if is_classifier(self.estimator) else "regression",
            metric=self.scoring if isinstance(self.scoring, str) else "",
            estimators=(searched.family,) if searched.family else (),
            facts=folds.facts,
            folds=len(folds.pairs),
            model=self.model,
        )


class _SharedFolds:
    """A splitter that gives the same folds every time; it also notes the size of the table."""

    def __init__(self, splitter: Any, classification: bool) -> None:
        self._splitter = splitter
        self._classification = classification
        self.pairs: list[tuple[Any, Any]] = []
        self.facts: Facts | None = None

    def split(self, x: Any, y: Any = None, **params: Any) -> list[tuple[Any, Any]]:
        """The (train, test) positions of each fold."""
        if not self.pairs:
            shape = x.shape if hasattr(x, "shape") else np.shape(x)
            counts = Counter(np.asarray(y).ravel().tolist()) if self._classification else {}
            self.facts = Facts(
                rows=int(shape[0]),
                features=int(shape[1]) if len(shape) > 1 else 1,
                classes=len(counts),
                minority_share=min(counts.values()) / sum(counts.values()) if counts else 0.0,
            )
            self.pairs = list(self._splitter.split(x, y, **params))
        return self.pairs
