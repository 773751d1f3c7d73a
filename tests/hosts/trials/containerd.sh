# containerd, asked as a kubelet does: pods in control groups of systemd, by the CRI's names.
. ./trial.sh

# Calls of k8s.io/cri-api's runtime.v1, with the fields that matter here by their numbers.
cat >"$out/cri.py" <<'PY'
import sys

import grpc


def number(n):
    return bytes([n & 127 | 128]) + number(n >> 7) if n > 127 else bytes([n])


def message(fields):
    wire = b""
    for field, value in fields:
        if isinstance(value, int):
            wire += number(field << 3) + number(value)
        else:
            octets = value.encode() if isinstance(value, str) else message(value)
            wire += number(field << 3 | 2) + number(len(octets)) + octets
    return wire


channel = grpc.insecure_channel("unix:///run/containerd/containerd.sock")


def call(method, fields):
    """What field 1 of the answer has, a name of less than 128 octets."""
    answer = channel.unary_unary("/runtime.v1.RuntimeService/" + method)(message(fields), timeout=120)
    return answer[2:2 + answer[1]].decode() if answer else ""


POD, CONTAINER = 0, 1
namespaces = [(1, POD), (2, CONTAINER)]


def pod(namespace, name, kind, uid):
    between = "" if kind == "guaranteed" else "-" + kind
    slices = [] if kind == "guaranteed" else ["kubepods-" + kind + ".slice"]
    slices = ["", "kubepods.slice", *slices, "kubepods" + between + "-pod" + uid.replace("-", "_") + ".slice"]
    log = "/var/log/pods/%s_%s_%s" % (namespace, name, uid)
    return log, [
        (1, [(1, name), (2, uid), (3, namespace)]), (2, name), (3, log),
        (4, [(1, "10.77.0.1")]),
        (6, [(1, "io.kubernetes.pod.name"), (2, name)]),
        (6, [(1, "io.kubernetes.pod.namespace"), (2, namespace)]),
        (6, [(1, "io.kubernetes.pod.uid"), (2, uid)]),
        (8, [(1, "/".join(slices)), (2, [(1, namespaces)])]),
    ]


def run(sandbox, log, config, name, command):
    container = [(1, [(1, name)]), (2, [(1, "docker.io/library/lab:latest")])]
    container += [(3, word) for word in command]
    container += [(9, [(1, "io.kubernetes.container.name"), (2, name)]), (11, name + ".log")]
    container += [(15, [(2, [(3, namespaces)])])]
    made = call("CreateContainer", [(1, sandbox), (2, container), (3, config)])
    call("StartContainer", [(1, made)])


if sys.argv[1] == "remove":
    for sandbox in sys.argv[2:]:
        call("StopPodSandbox", [(1, sandbox)])
        call("RemovePodSandbox", [(1, sandbox)])
else:
    namespace, name, kind, uid, container, *command = sys.argv[1:]
    log, config = pod(namespace, name, kind, uid)
    sandbox = call("RunPodSandbox", [(1, config)])
    print(sandbox)
    run(sandbox, log, config, container, command)
PY
cri() {
	python3 "$out/cri.py" "$@"
}

modprobe --all overlay bridge br_netfilter veth || true
mkdir -p /etc/containerd /etc/cni/net.d
cat >/etc/containerd/config.toml <<'TOML'
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/lab:latest"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
TOML
cat >/etc/cni/net.d/10-lab.conflist <<'JSON'
{ "cniVersion": "0.4.0", "name": "lab", "plugins": [
  { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
    "ipam": { "type": "host-local", "subnet": "10.88.7.0/24", "routes": [{ "dst": "0.0.0.0/0" }] } } ] }
JSON
at_end 'rm -f /etc/containerd/config.toml /etc/cni/net.d/10-lab.conflist; systemctl stop containerd'
systemctl restart containerd

# The image, as an archive of docker's: a pod's own process is the image's.
mkdir "$out/archive"
image cp /dev/stdin "$out/archive/layer.tar"
layer=$(sha256sum "$out/archive/layer.tar" | cut -d ' ' -f 1)
cat >"$out/archive/config.json" <<JSON
{ "architecture": "amd64", "os": "linux", "config": { "Entrypoint": ["/bin/sleep", "1000000"] },
  "rootfs": { "type": "layers", "diff_ids": ["sha256:$layer"] } }
JSON
echo '[{"Config":"config.json","RepoTags":["lab:latest"],"Layers":["layer.tar"]}]' \
	>"$out/archive/manifest.json"
tar --create --directory "$out/archive" . | ctr --namespace k8s.io images import - >/dev/null

uid() {
	echo "1db1c8aa-5ed2-4a32-9c63-6ba0f3b5e6f$1"
}
web=$(cri shop web-0 burstable "$(uid 1)" app sh -c \
	'while :; do nslookup -type=a web.lab.test; sleep 1; done')
at_end "cri remove $web"

observe
gone=$(cri shop job-0 besteffort "$(uid 2)" once nslookup -type=a job.lab.test)
at_end "cri remove $gone"
db=$(cri data db-0 guaranteed "$(uid 3)" db sh -c 'for i in 1 2 3; do nslookup -type=a db.lab.test 10.77.0.7; done')
at_end "cri remove $db"
await "the database's container to fail" grep -q timed.out "/var/log/pods/data_db-0_$(uid 3)/db.log"
observed
# A stream does not wait for names: the first records of a pod may have its uid and no more.
want_record web.lab.test '.container.runtime == "containerd" and .pod.uid and (.pod.name // "web-0") == "web-0"'
want_record job.lab.test '.container.runtime == "containerd" and .pod.uid and (.pod.name // "job-0") == "job-0"'
want "each pod is a workload, by its name" \
	'[.dns.by_workload[].name] as $names | all("shop/web-0", "shop/job-0", "data/db-0"; . as $pod | any($names[]; test($pod)))'
want "the silent server is found, with the pod that asks it" \
	'[.findings[] | select((.title + (.evidence | join(" "))) | test("10.77.0.7"))] | any(tostring | test("db-0"))'
