//! Whose an attempt is: process, systemd unit, container, pod.

pub mod path;
