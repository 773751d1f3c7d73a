//! One line of `kerno watch`, as the contract has it.

use std::net::IpAddr;
use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::Value;

/// A finished attempt. What the contract says is always there is no option.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) schema: String,
    pub(crate) time: String,
    pub(crate) role: String,
    pub(crate) outcome: String,
    pub(crate) rcode: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) failed_call: Option<String>,
    pub(crate) latency_ns: Option<u64>,
    pub(crate) waited_ns: Option<u64>,
    pub(crate) gave_up_ns: Option<u64>,
    pub(crate) attempt: u32,
    pub(crate) transport: String,
    pub(crate) id: Option<u16>,
    pub(crate) name: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) answers: Option<u16>,
    pub(crate) truncated: Option<bool>,
    pub(crate) authoritative: Option<bool>,
    pub(crate) recursion_available: Option<bool>,
    pub(crate) extended_error: Option<u16>,
    pub(crate) query_bytes: Option<u32>,
    pub(crate) answer_bytes: Option<u32>,
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    pub(crate) pid: Option<u32>,
    pub(crate) comm: Option<String>,
    pub(crate) cgroup_id: Option<u64>,
    pub(crate) netns: Option<u64>,
    pub(crate) cgroup: Option<String>,
    pub(crate) unit: Option<String>,
    #[serde(default)]
    pub(crate) container: Value,
    #[serde(default)]
    pub(crate) pod: Value,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: address.port(),
        }
    }
}

impl Record {
    /// Reads a line, and holds it to what the contract says of every line.
    pub(crate) fn read(line: &str) -> Self {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON: {e}: {line}"));
        assert!(has_no_null(&value), "a null: {line}");
        let record: Self =
            serde_json::from_value(value).unwrap_or_else(|e| panic!("not a record: {e}: {line}"));
        assert_eq!(record.schema, "kerno.dns.v1", "{line}");
        humantime::parse_rfc3339(&record.time).unwrap_or_else(|e| panic!("time: {e}: {line}"));
        let nanoseconds = record.time.rsplit_once('.').map(|(_, rest)| rest.len());
        assert_eq!(nanoseconds, Some("123456789Z".len()), "{line}");
        let with_answer = matches!(record.outcome.as_str(), "answered" | "late");
        assert_eq!(record.rcode.is_some(), with_answer, "{line}");
        assert_eq!(record.latency_ns.is_some(), with_answer, "{line}");
        assert_eq!(record.waited_ns.is_some(), !with_answer, "{line}");
        let with_reason = matches!(record.outcome.as_str(), "refused" | "dropped");
        // Why a connect() failed is not always known.
        let may_lack_it = record.failed_call.as_deref() == Some("connect");
        assert!(
            record.reason.is_some() == with_reason || may_lack_it,
            "{line}"
        );
        record
    }

    /// Whether the name asked for is in `zone`, in whatever case.
    pub(crate) fn in_zone(&self, zone: &str) -> bool {
        let name = self
            .name
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        name.strip_suffix(zone)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

fn has_no_null(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => items.iter().all(has_no_null),
        Value::Object(fields) => fields.values().all(has_no_null),
        _ => true,
    }
}
