//! Every layout that is known, by its real paths.

use proptest::prelude::*;

use super::*;

/// Ids in the paths are written short and stand for 64 digits.
const A: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";
const B: &str = "b1946ac92492d2347c6235b4d2611184e59bd4a1c2f3a7d8990123456789abcd";
const UID: &str = "0a1b2c3d-4e5f-6789-abcd-ef0123456789";
/// A static pod's: the MD5 sum of its manifest.
const STATIC: &str = "5dc4f9b8d9b4f1f3a7b1a0c9e8d7f6a5";

/// A path a line, as wide as it takes: hence no rustfmt. Expected: unit, container, runtime, pod.
type Row = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<Runtime>,
    Option<&'static str>,
);

#[rustfmt::skip]
const SYSTEMD: &[Row] = &[
    ("/", None, None, None, None),
    ("/init.scope", Some("init.scope"), None, None, None),
    ("/system.slice/unbound.service", Some("unbound.service"), None, None, None),
    ("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service"), None, None, None),
    ("/system.slice/actdns.socket", Some("actdns.socket"), None, None, None),
    ("/system.slice/foo\\x2dbar.service", Some("foo\\x2dbar.service"), None, None, None),
    ("/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope"), None, None, None),
    ("/user.slice/user-1000.slice/user@1000.service/app.slice/firefox.service", Some("firefox.service"), None, None, None),
    // A user may call the user's own groups as the kubelet calls its pods'.
    ("/user.slice/user-1000.slice/user@1000.service/kubepods/burstable/podUID/A", Some("user@1000.service"), Some(A), None, None),
    ("/user.slice/user-1000.slice/user@1000.service/kubepods.slice/kubepods-podUID_.slice/cri-containerd-A.scope", Some("user@1000.service"), Some(A), Some(Runtime::Containerd), None),
    // A service that makes groups of its own (Delegate=yes).
    ("/system.slice/haproxy.service/worker-1", Some("haproxy.service"), None, None, None),
    ("/machine.slice/systemd-nspawn@web.service/payload", Some("systemd-nspawn@web.service"), None, None, None),
    // Slices are no units that run something.
    ("/system.slice", None, None, None, None),
    ("/user.slice/user-0.slice", None, None, None, None),
];

#[rustfmt::skip]
const DOCKER: &[Row] = &[
    ("/system.slice/docker-A.scope", None, Some(A), Some(Runtime::Docker), None),
    ("/docker/A", None, Some(A), Some(Runtime::Docker), None),
    // Version 1, where a container sees its own part as root.
    ("/docker/A/system.slice", None, Some(A), Some(Runtime::Docker), None),
    // Docker in Docker, and a service manager inside a container.
    ("/docker/A/docker/B", None, Some(B), Some(Runtime::Docker), None),
    ("/system.slice/docker-A.scope/system.slice/nginx.service", Some("nginx.service"), Some(A), Some(Runtime::Docker), None),
    // Rootless.
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-A.scope", Some("user@1000.service"), Some(A), Some(Runtime::Docker), None),
    // Amazon ECS.
    ("/ecs/1f2e3d4c5b6a79880f1e2d3c4b5a6978/A", None, Some(A), None, None),
    // The daemon itself is a service.
    ("/system.slice/docker.service", Some("docker.service"), None, None, None),
];

#[rustfmt::skip]
const PODMAN: &[Row] = &[
    ("/machine.slice/libpod-A.scope", None, Some(A), Some(Runtime::Podman), None),
    ("/machine.slice/libpod-A.scope/container", None, Some(A), Some(Runtime::Podman), None),
    ("/machine.slice/machine-libpod_pod_B.slice/libpod-A.scope/container", None, Some(A), Some(Runtime::Podman), None),
    ("/machine.slice/libpod-conmon-A.scope", None, None, None, None),
    ("/libpod_parent/libpod-A", None, Some(A), Some(Runtime::Podman), None),
    ("/libpod_parent/libpod-A/ctr", None, Some(A), Some(Runtime::Podman), None),
    ("/libpod_parent/conmon", None, None, None, None),
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-A.scope/container", Some("user@1000.service"), Some(A), Some(Runtime::Podman), None),
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_B.slice/libpod-A.scope", Some("user@1000.service"), Some(A), Some(Runtime::Podman), None),
    // Quadlet.
    ("/system.slice/web.service/libpod-payload-A", Some("web.service"), Some(A), Some(Runtime::Podman), None),
    ("/system.slice/web.service/runtime", Some("web.service"), None, None, None),
];

#[rustfmt::skip]
const KUBERNETES: &[Row] = &[
    // containerd with the systemd driver, as kubeadm sets it up.
    ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/cri-containerd-A.scope", None, Some(A), Some(Runtime::Containerd), Some(UID)),
    ("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUID_.slice/cri-containerd-A.scope", None, Some(A), Some(Runtime::Containerd), Some(UID)),
    ("/kubepods.slice/kubepods-podUID_.slice/cri-containerd-A.scope", None, Some(A), Some(Runtime::Containerd), Some(UID)),
    ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podSTATIC.slice/cri-containerd-A.scope", None, Some(A), Some(Runtime::Containerd), Some(STATIC)),
    // containerd and Docker with the cgroupfs driver.
    ("/kubepods/burstable/podUID/A", None, Some(A), None, Some(UID)),
    ("/kubepods/besteffort/podUID/A", None, Some(A), None, Some(UID)),
    ("/kubepods/podUID/A", None, Some(A), None, Some(UID)),
    ("/kubepods/besteffort/podSTATIC/A", None, Some(A), None, Some(STATIC)),
    // The pod's own group, and groups that a container makes.
    ("/kubepods/burstable/podUID", None, None, None, Some(UID)),
    ("/kubepods/burstable/podUID/A/worker/1", None, Some(A), None, Some(UID)),
    ("/kubepods.slice/kubepods-podUID_.slice/cri-containerd-A.scope/init.scope", Some("init.scope"), Some(A), Some(Runtime::Containerd), Some(UID)),
    // CRI-O.
    ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/crio-A.scope", None, Some(A), Some(Runtime::CriO), Some(UID)),
    ("/kubepods.slice/kubepods-podUID_.slice/crio-A.scope/container", None, Some(A), Some(Runtime::CriO), Some(UID)),
    ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/crio-conmon-A.scope", None, None, None, Some(UID)),
    ("/kubepods/burstable/podUID/crio-A", None, Some(A), Some(Runtime::CriO), Some(UID)),
    ("/kubepods/burstable/podUID/crio-conmon-A", None, None, None, Some(UID)),
    // cri-dockerd.
    ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/docker-A.scope", None, Some(A), Some(Runtime::Docker), Some(UID)),
    // containerd set to cgroupfs while the kubelet has systemd.
    ("/system.slice/containerd.service/kubepods-burstable-podUID_.slice:cri-containerd:A", None, Some(A), Some(Runtime::Containerd), Some(UID)),
    ("/kubepods-besteffort-podUID_.slice:cri-containerd:A", None, Some(A), Some(Runtime::Containerd), Some(UID)),
    ("/system.slice/crio.service/kubepods-podUID_.slice:crio:A", None, Some(A), Some(Runtime::CriO), Some(UID)),
    // k3s: containerd, with either driver; the server itself is a service.
    ("/system.slice/k3s.service", Some("k3s.service"), None, None, None),
    ("/system.slice/k3s.service/kubepods/burstable/podUID/A", None, Some(A), None, Some(UID)),
    // Kind: a node is a Docker container, the pods are nested in it.
    ("/docker/B/kubelet/kubepods/burstable/podUID/A", None, Some(A), None, Some(UID)),
    ("/docker/B/kubepods/besteffort/podUID/A", None, Some(A), None, Some(UID)),
    ("/system.slice/docker-B.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-podUID_.slice/cri-containerd-A.scope", None, Some(A), Some(Runtime::Containerd), Some(UID)),
    ("/system.slice/docker-B.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podUID_.slice/cri-containerd-A.scope", None, Some(A), Some(Runtime::Containerd), Some(UID)),
    ("/machine.slice/libpod-B.scope/container/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podUID_.slice/cri-containerd-A.scope", None, Some(A), Some(Runtime::Containerd), Some(UID)),
    // The node itself, and what runs on it beside the pods.
    ("/system.slice/docker-B.scope/init.scope", Some("init.scope"), Some(B), Some(Runtime::Docker), None),
    ("/system.slice/docker-B.scope/kubelet.slice/kubelet.service", Some("kubelet.service"), Some(B), Some(Runtime::Docker), None),
    // minikube with the Docker driver, Docker inside.
    ("/docker/B/docker/A", None, Some(A), Some(Runtime::Docker), None),
    // Seen from another cgroup namespace.
    ("/../../kubepods-burstable.slice/kubepods-burstable-podUID_.slice/cri-containerd-A.scope", None, Some(A), Some(Runtime::Containerd), Some(UID)),
    ("/../A", None, Some(A), None, None),
    // No pod, only its class.
    ("/kubepods.slice/kubepods-burstable.slice", None, None, None, None),
    ("/kubepods/burstable", None, None, None, None),
];

#[rustfmt::skip]
const OTHERS: &[Row] = &[
    // nerdctl, with both drivers.
    ("/system.slice/nerdctl-A.scope", None, Some(A), Some(Runtime::Containerd), None),
    ("/default/A", None, Some(A), None, None),
    ("/lxc.payload.web", None, Some("web"), Some(Runtime::Lxc), None),
    ("/lxc.payload.web/system.slice/nginx.service", Some("nginx.service"), Some("web"), Some(Runtime::Lxc), None),
    ("/lxc.monitor.web", None, None, None, None),
    // What only looks like something.
    ("/system.slice/docker-compose.service", Some("docker-compose.service"), None, None, None),
    ("/system.slice/docker-short.scope", Some("docker-short.scope"), None, None, None),
    ("/home/podUID/A", None, Some(A), None, None),
    ("/x/podinfo", None, None, None, None),
    ("/kubepods/podcasts.service", Some("podcasts.service"), None, None, None),
    ("/.service", None, None, None, None),
    ("/a:b:c", None, None, None, None),
    ("relative", None, None, None, None),
    ("", None, None, None, None),
];

fn real(template: &str) -> String {
    template
        .split('/')
        .map(|level| {
            level
                .replace("UID_", &UID.replace('-', "_"))
                .replace("UID", UID)
                .replace("STATIC", STATIC)
        })
        .map(|level| match level.as_str() {
            "A" => A.to_owned(),
            "B" => B.to_owned(),
            level => level
                .replace("-A", &format!("-{A}"))
                .replace("-B", &format!("-{B}"))
                .replace(":A", &format!(":{A}"))
                .replace("pod_B", &format!("pod_{B}")),
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[test]
fn every_known_layout_is_read() {
    for &(template, unit, container, runtime, pod) in [SYSTEMD, DOCKER, PODMAN, KUBERNETES, OTHERS]
        .into_iter()
        .flatten()
    {
        let path = real(template);
        let expected = Facts {
            unit,
            container,
            runtime,
            pod: pod.map(str::to_owned),
            manager: unit.and_then(|unit| manager(&path, unit)),
            user: user(&path),
        };
        assert_eq!(parse(&path, None), expected, "{path}");
    }
}

#[test]
fn what_is_below_a_group_that_a_user_owns_is_that_users() {
    let of_1000 = |depth| Some(Delegated { depth, uid: 1000 });
    // Path, how deep the user's group is; unit and whose, container, pod, whose names.
    #[rustfmt::skip]
    let cases = [
        ("/atk-user/kubepods/burstable/podUID/A", 1, None, Some(A), None, Some(1000)),
        ("/system.slice/ci.service/kubepods.slice/kubepods-podUID_.slice/cri-containerd-A.scope", 2, Some(("ci.service", None)), Some(A), None, Some(1000)),
        ("/system.slice/ci.service/unbound.service", 2, Some(("unbound.service", Some(1000))), None, None, Some(1000)),
        ("/system.slice/ci.service", 2, Some(("ci.service", None)), None, None, None),
        // Rootless Podman in a unit of the system.
        ("/system.slice/ci.service/libpod-payload-A", 2, Some(("ci.service", None)), Some(A), None, Some(1000)),
        // What a container makes of the group that it got is in that container.
        ("/kubepods/burstable/podUID/A/docker/B", 4, None, Some(A), Some(UID), None),
        ("/kubepods/burstable/podUID/A/kubepods/podSTATIC/B", 4, None, Some(A), Some(UID), None),
        ("/system.slice/docker-A.scope/kubepods/podUID/B", 2, None, Some(A), None, None),
        ("/lxc.payload.web/system.slice/nginx.service", 1, Some(("nginx.service", None)), Some("web"), None, None),
        // A pod's own group that the user got, not the one above it.
        ("/kubepods/podUID/A", 3, None, Some(A), Some(UID), None),
    ];
    for (template, depth, unit, container, pod, user) in cases {
        let path = real(template);
        let facts = parse(&path, of_1000(depth));
        assert_eq!(facts.unit, unit.map(|(unit, _)| unit), "{path}");
        assert_eq!(facts.manager, unit.and_then(|(_, of)| of), "{path}");
        assert_eq!(facts.container, container, "{path}");
        assert_eq!(facts.pod.as_deref(), pod, "{path}");
        assert_eq!(facts.user, user, "{path}");
    }
}

#[test]
fn the_table_has_no_template_left() {
    let path = real("/kubepods/burstable/podUID/A");
    assert_eq!(path, format!("/kubepods/burstable/pod{UID}/{A}"));
}

proptest! {
    #[test]
    fn whatever_a_path_is_the_facts_are_parts_of_it(
        levels in proptest::collection::vec(
            prop_oneof![
                ".{0,80}",
                "(kubepods|burstable|pod|docker|libpod-|crio-|cri-containerd-)?[0-9a-f:_.-]{0,70}(\\.scope|\\.slice|\\.service)?",
                Just(A.to_owned()),
                Just("kubepods".to_owned()),
            ],
            0..100,
        ),
        depth in proptest::option::of(0..70_usize),
    ) {
        let path = format!("/{}", levels.join("/"));
        let delegated = depth.map(|depth| Delegated { depth, uid: 7 });
        let facts = parse(&path, delegated);
        if let Some(Delegated { depth, .. }) = delegated {
            // All that a user did not make says what it says alone.
            let of_host: Vec<_> = path.split('/').take(depth + 1).collect();
            let of_host = of_host.join("/");
            prop_assert_eq!(&facts.pod, &parse(&of_host, None).pod);
        }
        if let Some(container) = facts.container {
            prop_assert!(path.contains(container));
            prop_assert!(facts.runtime == Some(Runtime::Lxc) || is_id(container));
        }
        if let Some(unit) = facts.unit {
            prop_assert!(path.split('/').any(|level| level == unit));
        }
        if let Some(pod) = facts.pod {
            prop_assert!(pod.len() <= UID_MAX && pod.is_ascii());
        }
    }
}
