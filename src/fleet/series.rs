//! What a Prometheus answers (its HTTP API v1, "Expression queries").

use std::collections::BTreeMap;

use serde::Deserialize;

/// Names and values.
pub(super) type Labels = BTreeMap<String, String>;

/// `{"status": …}`
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) status: Status,
    #[serde(default)]
    pub(super) data: Option<Data>,
    #[serde(default)]
    pub(super) error: String,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Success,
    Error,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub(super) enum Data {
    Vector(Vec<Series>),
    Matrix(Vec<Series>),
}

impl Data {
    pub(super) fn series(self) -> Vec<Series> {
        match self {
            Self::Vector(all) | Self::Matrix(all) => all,
        }
    }
}

/// One series: of a vector with a value, of a matrix with several.
#[derive(Debug, Deserialize)]
pub(super) struct Series {
    #[serde(default)]
    pub(super) metric: Labels,
    #[serde(default)]
    value: Option<Sample>,
    #[serde(default)]
    values: Vec<Sample>,
}

/// When, in seconds since 1970, and what: `"12"`, `"NaN"`, `"+Inf"`.
#[derive(Debug, Deserialize)]
struct Sample(f64, String);

impl Series {
    /// The value of a vector's series, if it is a number.
    pub(super) fn value(&self) -> Option<f64> {
        number(self.value.as_ref()?)
    }

    /// The times at which a matrix's series has a number, ascending.
    pub(super) fn times(&self) -> impl Iterator<Item = f64> {
        let numbers = self.values.iter().filter(|sample| number(sample).is_some());
        numbers.map(|sample| sample.0)
    }

    pub(super) fn label(&self, name: &str) -> Option<&str> {
        let value = self.metric.get(name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

fn number(sample: &Sample) -> Option<f64> {
    let value: f64 = sample.1.parse().ok()?;
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Answer {
        serde_json::from_str(text).expect(text)
    }

    #[test]
    fn a_vector_is_read_as_prometheus_writes_it() {
        let answer = read(
            r#"{"status":"success","data":{"resultType":"vector","result":[
                {"metric":{"node":"a","zone":""},"value":[1764236400.123,"12.5"]},
                {"metric":{},"value":[1764236400,"NaN"]},
                {"metric":{},"value":[1764236400,"+Inf"]}]},"warnings":["a store is away"],"infos":["x"]}"#,
        );
        assert_eq!(answer.status, Status::Success);
        assert_eq!(answer.warnings, ["a store is away"]);
        let all = answer.data.expect("data").series();
        let values: Vec<_> = all.iter().map(Series::value).collect();
        assert_eq!(values, [Some(12.5), None, None]);
        assert_eq!(
            (all[0].label("node"), all[0].label("zone")),
            (Some("a"), None)
        );
    }

    #[test]
    fn a_matrix_has_times_and_an_error_its_words() {
        let answer = read(
            r#"{"status":"success","data":{"resultType":"matrix","result":[
                {"metric":{"rule":"x"},"values":[[1,"1"],[2,"NaN"],[3.5,"2"]]}]}}"#,
        );
        let all = answer.data.expect("data").series();
        assert_eq!(all[0].times().collect::<Vec<_>>(), [1.0, 3.5]);
        let answer = read(r#"{"status":"error","errorType":"bad_data","error":"no such thing"}"#);
        assert_eq!(
            (answer.status, &*answer.error),
            (Status::Error, "no such thing")
        );
        for nonsense in [
            "",
            "{",
            "[]",
            r#"{"status":"odd"}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#,
        ] {
            assert!(
                serde_json::from_str::<Answer>(nonsense).is_err(),
                "{nonsense}"
            );
        }
    }
}
