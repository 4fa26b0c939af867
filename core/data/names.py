"""What the name of a column says: an identifier, a time, a weight, a design, an outcome.

The words are those of forms, surveys, trials and registers in general; a name is never the only
evidence.
"""

from __future__ import annotations

import re

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


TARGET = ("target", "class", "label", "y", "outcome", "response", "output", "truth", "dependent",
          "dv", "depvar")
"""Names that say "this is to be predicted", the surest first."""
OUTCOME = _set(
    "attrition churn churned left quit returned exited default defaulted diagnosis species status "
    "survived survival fraud readmitted recurrence relapse result subscribed approved converted "
    "clicked saleprice medv died death dead deceased mortality event success failure failed fail "
    "won win winner passed cured cure respond responded responds accepted admitted hired fired "
    "dropout cancelled canceled stroke cancer malignant infection infected complication purchased "
    "bought wage wages lwage salary earnings yield mpg revenue profit fatalities deaths killed "
    "strength progression choice vote voted sales demand approve reject rejected denied"
)
"""Names of what is usually asked for."""
RESULT = _set(
    "grade quality rating income deposit click cnt count score growth mode consumption spending "
    "expenditure claim claims amount amt loss losses damage duration delay delayed los rate level "
    "total value aval chg invest investment visits trips births accidents crime crimes arrests "
    "emissions output production fare rent pay charge charges payment satisfaction happy "
    "happiness risk severity approval support decision verdict disease condition positive math "
    "maths mathematics reading "
    "test exam gpa performance conc concentration height weight bwt birthweight temp "
    "temperature rainfall catch biomass density abundance tip strikes price cost costs"
)
"""Names of what is often measured at the end."""
GIVEN = _set(
    "age sex gender male female race ethnicity ethnic black white hispanic nationality religion "
    "married marital education educ school region state country county city town district "
    "province area zone location place site lat latitude long lon longitude altitude elevation "
    "urban rural name color colour size brand model make season weekday holiday weekend language "
    "lang occupation job industry sector union household hhsize children kids smoker coord coords "
    "coordinate easting northing"
)
"""Names of what is usually known before anything happens."""
DESIGN = _set(
    "rep replicate replication block plot row col column range treat treatment treated trt arm "
    "group grp subgroup dose visit visitnum period cycle wave round session trial run batch plate "
    "well fold split train test set subset dataset stratum strata sample seed env environment gen "
    "genotype variety cultivar order sequence seq item cohort cluster"
)
"""Names of how a trial or a survey was laid out."""
TIME = _set(
    "year years yr month mon day date week quarter hour minute dow wday weekday doy datetime "
    "timestamp time dt decade yearmonth"
)
PARTS = (("year", "yr", "yyyy"), ("month", "mon", "mm", "quarter", "qtr", "week"),
         ("day", "dom", "dd"), ("hour", "hr"), ("minute", "min"))
"""Names of the parts of a moment, the coarsest first."""
ENTITY = _set(
    "subject subj patient person participant respondent resp student pupil child animal rat mouse "
    "dog cow ewe mother woman household hh family firm company customer client user member player "
    "team school hospital clinic country state county city district village community plant tree "
    "bird nest litter cluster group store shop product worker employee pid station lake site nr "
    "iso3c ccode individual"
)
"""Names of what may stand in several rows."""
_MOMENT = _set(
    "epoch unix unixtime posix ts utc created updated modified opened closed times timestamps"
)
_LAG = _set(
    "lag lagged prev previous prior last before baseline base pre initial first old past former "
    "earlier start begin"
)
_WEIGHTS = re.compile(
    r"^(?:weights|wgts?|fnlwgt|finalwe?i?gh?t|[a-z]*wgt|[a-z]{0,8}wtfinl|perwt|hhwt|asecwt|"
    r"[pfai]we?i?gh?ts?|(?:sample?|sampling|survey|case|person|household|hh|final|pop(?:ulation)?"
    r"|prob(?:ability)?|design|stat|analysis|obs|inverse|ip)_?(?:weights?|wgt|wts?)|wtss?(?:all)?|"
    r"(?:weights?|wgt|wts?)_?(?:sample|survey|person|final|pop|design|var)?)$"
)
_FREQUENCY = frozenset(("freq", "frequency", "frequencies", "counts", "count", "n", "nobs"))
_ID_WORD = _set(
    "id ids idx index uuid guid key nr no num number idno idnum rowname rownames row rowid rownum "
    "caseid casenum caseno subjid record seq serial unnamed ref reference barcode isbn code codes "
    "cod ccode enum zip zipcode fips"
)
_ID_JOINED = re.compile(
    r"^(?:id\d?|(?:case|subj(?:ect)?|patient|person|resp(?:ondent)?|household|hh|rec(?:ord)?|row|"
    r"obs|sample|customer|client|user|member|school|sch|student|stu|child|kid|player|team|policy|"
    r"firm|company|part|prod|product|usubj|uniq(?:ue)?|distr?|track|family|fam|tree|plot|item|event|order|invoice)"
    r"_?(?:id|no|num|nr|number)|x?_?column_1|unnamed_\d+|[a-z]{1,5}seq|[a-z]{2,8}code?)$"
)


def words(name: str) -> list[str]:
    """The words of a name, lower case: "saleDate_2" -> ["sale", "date", "2"]."""
    spaced = _CAMEL.sub(" ", name.strip())
    return re.findall(r"[a-z]+|\d+", spaced.lower())


def folded(name: str) -> str:
    """The letters and digits of a name, lower case."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def is_id(name: str) -> bool:
    """Called like an identifier: "id", "patient_id", "CustomerID", "hospital_number", "index"."""
    parts = words(name)
    if not parts:
        return False
    joined = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return parts[-1] in _ID_WORD or _ID_JOINED.match(joined) is not None


def is_time(name: str) -> bool:
    """Called like a date, a year, or a part of one."""
    return any(w in TIME for w in words(name))


def is_moment(name: str) -> bool:
    """Called like a point in time: "timestamp", "created_at", "unix_time", "ts"."""
    return is_time(name) or any(w in _MOMENT for w in words(name))


def is_clinical_result(name: str) -> bool:
    """Called like the result of a finding in the tables of clinical trials: "LBSTRESN" (CDISC)."""
    return re.fullmatch(r"[A-Z]{2}STRESN", name) is not None


def is_clinical_time(name: str) -> bool:
    """Called like a study day or a planned time there: "VSDY", "PCTPTNUM" (CDISC SDTM, Timing)."""
    return re.fullmatch(r"[A-Z]{2}(ST|EN)?(DY|DTC|TPT|TPTNUM)|VISIT(DY|NUM)", name) is not None


def is_entity(name: str) -> bool:
    """Called like something that may have several rows: a patient, a firm, a country."""
    parts = words(name)
    return any(w in ENTITY for w in parts) or (is_id(name) and not DESIGN & set(parts)
                                               and not folded(name).endswith("seq"))


def is_weight(name: str) -> bool:
    """Called like the weight of a row in a sample (body weights are mostly called "weight")."""
    joined = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return joined not in ("weight", "wt") and _WEIGHTS.match(joined) is not None


def may_be_weight(name: str) -> bool:
    """Called like a weight of any sort: of a body, or of a row."""
    return any(w in ("weight", "weights", "wt", "wgt") for w in words(name))


def is_frequency(name: str) -> bool:
    """Called like the number of cases that a row stands for."""
    return folded(name) in _FREQUENCY


def is_lag(name: str) -> bool:
    """Called like an earlier value of something."""
    return any(w in _LAG for w in words(name))


def stem_and_number(name: str) -> tuple[str, int] | None:
    """A name with its last number left out, and the number; None where it has none."""
    found = list(re.finditer(r"\d+", name))
    if not found:
        return None
    last = found[-1]
    stem = (name[: last.start()] + "#" + name[last.end() :]).lower()
    return stem, int(last[0][:9])
