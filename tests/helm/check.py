"""Renders the chart (the Helm SDK as a library) and holds it to what it is a copy of, to the
schemas of Kubernetes and to its own. tests/helm.rs runs it; what fails is said on stderr."""

import sys

import helm_python as helm
import kubernetes_validate
import yaml

CHART = "deploy/helm/kerno"
# The oldest that the chart takes, and the newest that there are schemas of.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
CUSTOM = "monitoring.coreos.com/v1"
ALL = {
    "monitor": {"kind": "PodMonitor"},
    "rules": {"enabled": True},
    "dashboards": {"enabled": True},
}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def rendered(values, name="kerno"):
    """By kind and name; what Kubernetes has a schema of fits it."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(values, name=name, namespace="kerno")
    objects = {}
    for path, text in sorted(files.items()):
        if path.endswith("NOTES.txt"):
            continue
        for it in yaml.safe_load_all(text):
            if not it:
                continue
            key = (it["kind"], it["metadata"]["name"])
            assert key not in objects, f"{key} is there twice"
            objects[key] = it
            if it["apiVersion"] != CUSTOM:
                for version in VERSIONS:
                    kubernetes_validate.validate(it, version, strict=True)
    return objects


def same(what, ours, theirs):
    assert ours == theirs, f"{what}:\n{yaml.dump(ours)}\nand\n{yaml.dump(theirs)}"


def refused(values, word):
    """The chart's own schema says no, and what it is about."""
    try:
        rendered(values)
    except helm.HelmError as error:
        assert word in str(error), f"{values}: {error}"
        return
    raise AssertionError(f"{values} was taken")


def main():
    findings = helm.lint(CHART)
    # A picture is recommended.
    messages = [it for it in findings["messages"] if "icon is recommended" not in str(it)]
    assert not messages, f"lint: {messages}"

    manifest = list(yaml.safe_load_all(read("deploy/kubernetes.yaml")))
    daemon_set = next(it for it in manifest if it["kind"] == "DaemonSet")
    default = rendered({})
    same("what there is by default", list(default), [("DaemonSet", "kerno")])
    same("the DaemonSet", default["DaemonSet", "kerno"], daemon_set)

    everything = rendered(ALL)
    same("the DaemonSet", everything["DaemonSet", "kerno"], daemon_set)
    monitor = yaml.safe_load(read("deploy/prometheus/podmonitor.yaml"))
    same("the PodMonitor", everything["PodMonitor", "kerno"], monitor)
    head = yaml.safe_load(read("deploy/prometheus/prometheusrule.head.yaml"))
    rules = yaml.safe_load(read("deploy/prometheus/rules.yml"))
    same("the rules", everything["PrometheusRule", "kerno"], {**head, "spec": rules})
    for name in ("kerno", "kerno-fleet"):
        dashboard = everything["ConfigMap", f"kerno-dashboard-{name}"]
        same(name, dashboard["metadata"]["labels"]["grafana_dashboard"], "1")
        same(name, dashboard["data"], {f"{name}.json": read(f"deploy/grafana/{name}.json")})

    changed(daemon_set)
    for values, word in (
        ({"imgae": {}}, "imgae"),
        ({"monitor": {"kind": "podmonitor"}}, "kind"),
        ({"monitor": {"interval": "soon"}}, "interval"),
        ({"history": {"size": "a lot"}}, "size"),
        ({"runtimeFolder": "run/crio"}, "runtimeFolder"),
        ({"moreCapabilities": ["SYS_MODULE"]}, "moreCapabilities"),
        ({"env": [{"name": "PATH", "value": "/"}]}, "env"),
        ({"counters": "yes"}, "counters"),
    ):
        refused(values, word)


def changed(daemon_set):
    """What is set is found where it belongs."""
    objects = rendered(
        {
            "image": {"repository": "registry.test/kerno", "tag": "1.2", "pullSecrets": ["key"]},
            "runtimeFolder": "/run/crio",
            "history": {"size": "64MiB", "keep": "1d", "names": "none"},
            "counters": True,
            "env": [{"name": "KERNO_PORT", "value": "5353"}],
            "moreCapabilities": ["SYS_ADMIN"],
            "podAnnotations": {"a": "b"},
            "priorityClassName": "system-node-critical",
            "monitor": {
                "kind": "ServiceMonitor",
                "labels": {"release": "kube-prometheus"},
                "nodeLabels": {"zone": "topology.kubernetes.io/zone"},
            },
        },
        name="dns-doctor",
    )
    pod = objects["DaemonSet", "dns-doctor"]["spec"]["template"]
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    same("image", container["image"], "registry.test/kerno:1.2")
    same("secrets", spec["imagePullSecrets"], [{"name": "key"}])
    same("annotations", pod["metadata"]["annotations"], {"a": "b"})
    same("class", spec["priorityClassName"], "system-node-critical")
    env = {it["name"]: it.get("value") for it in container["env"]}
    expected = {
        "KERNO_LISTEN": None,
        "KERNO_HISTORY_SIZE": "64MiB",
        "KERNO_HISTORY_KEEP": "1d",
        "KERNO_HISTORY_NAMES": "none",
        "KERNO_COUNTERS": "1",
        "KERNO_PORT": "5353",
    }
    same("variables", env, expected)
    same("escalation", container["securityContext"]["allowPrivilegeEscalation"], True)
    before = daemon_set["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    added = container["securityContext"]["capabilities"]["add"]
    same("capabilities", added, before["capabilities"]["add"] + ["SYS_ADMIN"])
    runtime = next(it for it in spec["volumes"] if it["name"] == "runtime")
    same("the CRI's folder", runtime["hostPath"]["path"], "/run/crio")
    monitor = objects["ServiceMonitor", "dns-doctor"]
    same("label", monitor["metadata"]["labels"]["release"], "kube-prometheus")
    # The monitor finds the service, and the service the pods.
    chosen = monitor["spec"]["selector"]["matchLabels"].items()
    service = objects["Service", "dns-doctor"]
    assert chosen <= service["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    same("port", service["spec"]["ports"][0]["name"], monitor["spec"]["endpoints"][0]["port"])
    relabelings = monitor["spec"]["endpoints"][0]["relabelings"]
    zone = "__meta_kubernetes_node_label_topology_kubernetes_io_zone"
    assert {"sourceLabels": [zone], "targetLabel": "zone"} in relabelings, relabelings
    same("node labels", monitor["spec"]["attachMetadata"], {"node": True})


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # whatever it is, the test says it
        sys.exit(f"{type(error).__name__}: {error}")
