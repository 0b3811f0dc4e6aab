package chart

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	strict "sigs.k8s.io/yaml"
)

// Values that turn everything on, and values of those who bring their own.
const (
	everything = `
worker: {enabled: true, podLabels: {team: chat}, priorityClassName: high, nodeSelector: {disk: ssd}}
gateway:
  config: {ping-interval: 20s, max-conns: 5000}
  extraEnv: [{name: EXTRA, value: "1"}]
  podAnnotations: {a: b}
  tolerations: [{key: edge, operator: Exists}]
  affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}
  autoscaling: {enabled: true, targetCPUUtilizationPercentage: 80}
  service: {type: LoadBalancer, externalTrafficPolicy: Local, annotations: {x: y}}
  ingress: {enabled: true, className: nginx, tls: [{secretName: t, hosts: [chat.example.com]}]}
imagePullSecrets: [{name: registry}]
metrics: {serviceMonitor: {enabled: true, labels: {release: p}}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}
networkPolicy: {enabled: true}
`
	own = `
global: {existingSecret: mine}
serviceAccount: {create: false}
nats: {enabled: false}
externalNats: {url: "tls://nats.example.com:4222", auth: true, tlsSecret: nats-tls, clientCertificate: true}
gateway: {preStopSeconds: 0, drain: {delaySeconds: 15, timeoutSeconds: 600}, podDisruptionBudget: {enabled: false}}
router: {podDisruptionBudget: {enabled: false}}
`
)

func renders(t *testing.T) map[string]manifests {
	return map[string]manifests{"defaults": render(t, ""), "everything": render(t, everything), "own": render(t, own)}
}

// TestMain keeps Helm from logging each symbolic link of the chart: they are meant.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

func TestLint(t *testing.T) {
	for _, values := range []string{"", everything, own} {
		given := map[string]any{}
		if err := strict.Unmarshal([]byte(values), &given); err != nil {
			t.Fatal(err)
		}
		for _, m := range lint.RunAll(path, given, "default").Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %v", m.Path, m.Err)
			}
		}
	}
}

func TestWhatIsThere(t *testing.T) {
	all := renders(t)
	for _, c := range []struct {
		values, name string
		want         bool
	}{
		{"defaults", "Deployment rel-patchbay-gateway", true},
		{"defaults", "Deployment rel-patchbay-router", true},
		{"defaults", "Deployment rel-patchbay-worker", false},
		{"defaults", "StatefulSet rel-nats", true},
		{"defaults", "Secret rel-patchbay-secrets", true},
		{"defaults", "PodDisruptionBudget rel-patchbay-gateway", true},
		{"defaults", "PodDisruptionBudget rel-patchbay-router", true},
		{"defaults", "PodDisruptionBudget rel-patchbay-worker", false},
		{"defaults", "HorizontalPodAutoscaler rel-patchbay-gateway", false},
		{"defaults", "ServiceMonitor rel-patchbay", false},
		{"everything", "Deployment rel-patchbay-worker", true},
		{"everything", "HorizontalPodAutoscaler rel-patchbay-gateway", true},
		{"everything", "Ingress rel-patchbay-gateway", true},
		{"everything", "ServiceMonitor rel-patchbay", true},
		{"everything", "PrometheusRule rel-patchbay", true},
		{"everything", "ConfigMap rel-patchbay-dashboard", true},
		{"everything", "NetworkPolicy rel-patchbay-gateway", true},
		{"own", "StatefulSet rel-nats", false},
		{"own", "Secret rel-patchbay-secrets", false},
		{"own", "ServiceAccount rel-patchbay", false},
		{"own", "PodDisruptionBudget rel-patchbay-gateway", false},
	} {
		if got := all[c.values][c.name] != nil; got != c.want {
			t.Errorf("%s: %s is there: %v, want %v", c.values, c.name, got, c.want)
		}
	}
}

// pod is a workload's template and what selects it.
type pod struct {
	name     string
	selector *meta.LabelSelector
	template core.PodTemplateSpec
}

func (m manifests) pods() []pod {
	var all []pod
	for name, object := range m {
		switch o := object.(type) {
		case *apps.Deployment:
			all = append(all, pod{name, o.Spec.Selector, o.Spec.Template})
		case *apps.StatefulSet:
			all = append(all, pod{name, o.Spec.Selector, o.Spec.Template})
		}
	}
	return all
}

// Everything that selects pods selects some, and of one workload alone.
func TestSelectors(t *testing.T) {
	for values, m := range renders(t) {
		pods := m.pods()
		selects := func(name string, selector labels.Selector, ports ...core.ServicePort) {
			var hits []pod
			for _, p := range pods {
				if selector.Matches(labels.Set(p.template.Labels)) {
					hits = append(hits, p)
				}
			}
			if len(hits) != 1 {
				t.Errorf("%s: %s selects %d workloads", values, name, len(hits))
				return
			}
			for _, port := range ports {
				if !hasPort(hits[0], port.TargetPort.StrVal) {
					t.Errorf("%s: %s: %s has no port %s", values, name, hits[0].name, port.TargetPort.StrVal)
				}
			}
		}
		for _, p := range pods {
			selects(p.name, selectorOf(t, p.selector))
		}
		for name, object := range m {
			switch o := object.(type) {
			case *core.Service:
				selects(name, labels.SelectorFromSet(o.Spec.Selector), o.Spec.Ports...)
			case *policy.PodDisruptionBudget:
				selects(name, selectorOf(t, o.Spec.Selector))
			case *networking.NetworkPolicy:
				selects(name, selectorOf(t, &o.Spec.PodSelector))
			case *autoscaling.HorizontalPodAutoscaler:
				if m[o.Spec.ScaleTargetRef.Kind+" "+o.Spec.ScaleTargetRef.Name] == nil {
					t.Errorf("%s: %s scales nothing", values, name)
				}
			case *networking.Ingress:
				for _, rule := range o.Spec.Rules {
					for _, path := range rule.HTTP.Paths {
						if m["Service "+path.Backend.Service.Name] == nil {
							t.Errorf("%s: %s leads nowhere", values, name)
						}
					}
				}
			case *monitoring.ServiceMonitor:
				jobs := 0
				for _, other := range m {
					if s, ok := other.(*core.Service); ok && selectorOf(t, &o.Spec.Selector).Matches(labels.Set(s.Labels)) {
						jobs++
						if s.Labels[o.Spec.JobLabel] == "" || s.Spec.Ports[0].Name != o.Spec.Endpoints[0].Port {
							t.Errorf("%s: %s: Service %s has no job or no port %s", values, name, s.Name, o.Spec.Endpoints[0].Port)
						}
					}
				}
				if jobs != 3 {
					t.Errorf("%s: %s watches %d Services, want 3", values, name, jobs)
				}
			}
		}
	}
}

func selectorOf(t *testing.T, s *meta.LabelSelector) labels.Selector {
	t.Helper()
	selector, err := meta.LabelSelectorAsSelector(s)
	if err != nil || selector.Empty() {
		t.Fatalf("selector %v: %v", s, err)
	}
	return selector
}

func hasPort(p pod, name string) bool {
	for _, c := range p.template.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return true
			}
		}
	}
	return false
}

// Every pod runs as nobody, with nothing that it does not need, within limits, and is asked how it is.
func TestHardening(t *testing.T) {
	for values, m := range renders(t) {
		for _, p := range m.pods() {
			spec := p.template.Spec
			c := spec.Containers[0]
			for what, ok := range map[string]bool{
				"runs as root":              spec.SecurityContext.RunAsNonRoot != nil && *spec.SecurityContext.RunAsNonRoot,
				"no seccomp":                spec.SecurityContext.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault,
				"a writable root":           *c.SecurityContext.ReadOnlyRootFilesystem,
				"privilege escalation":      !*c.SecurityContext.AllowPrivilegeEscalation,
				"capabilities":              reflect.DeepEqual(c.SecurityContext.Capabilities.Drop, []core.Capability{"ALL"}),
				"a token":                   !*spec.AutomountServiceAccountToken,
				"variables of Services":     !*spec.EnableServiceLinks,
				"no limit of memory":        !c.Resources.Limits.Memory().IsZero(),
				"no request of CPU":         !c.Resources.Requests.Cpu().IsZero(),
				"no probes":                 c.LivenessProbe != nil && c.ReadinessProbe != nil,
				"a version that may change": !strings.HasSuffix(c.Image, ":latest") && strings.Contains(c.Image, ":"),
			} {
				if !ok {
					t.Errorf("%s: %s: %s", values, p.name, what)
				}
			}
		}
	}
}

// The grace period covers the wait before the stop, the drain and the stop itself.
func TestGrace(t *testing.T) {
	for values, m := range renders(t) {
		spec := m["Deployment rel-patchbay-gateway"].(*apps.Deployment).Spec.Template.Spec
		var wait int64
		if hook := spec.Containers[0].Lifecycle; hook != nil {
			wait = hook.PreStop.Sleep.Seconds
		}
		bounds := map[string]int64{"PATCHBAY_STOP_TIMEOUT": 0, "PATCHBAY_DRAIN_DELAY": 0, "PATCHBAY_DRAIN_TIMEOUT": 0}
		stop, set := int64(0), 0
		for _, e := range spec.Containers[0].Env {
			if _, ok := bounds[e.Name]; ok {
				seconds, err := time.ParseDuration(e.Value)
				if err != nil {
					t.Fatal(err)
				}
				set++
				stop += int64(seconds.Seconds())
			}
		}
		if set != len(bounds) {
			t.Errorf("%s: %d of the bounds are set", values, set)
		}
		if stop == 0 || *spec.TerminationGracePeriodSeconds <= wait+stop {
			t.Errorf("%s: grace period %d, wait %d, stop %d", values, *spec.TerminationGracePeriodSeconds, wait, stop)
		}
	}
}

// Each variable that the chart sets is a flag's, and each key of a secret that is asked for is there.
func TestSettings(t *testing.T) {
	flags := map[string]string{"worker": help(t, "chat")}
	for _, part := range []string{"gateway", "router"} {
		flags[part] = help(t, "patchbay", part)
	}
	for values, m := range renders(t) {
		for _, p := range m.pods() {
			for _, e := range p.template.Spec.Containers[0].Env {
				part := p.template.Labels["app.kubernetes.io/component"]
				if strings.HasPrefix(e.Name, "PATCHBAY_") && part != "" && !regexp.MustCompile(`\$`+e.Name+`\b`).MatchString(flags[part]) {
					t.Errorf("%s: %s sets %s, which is no flag's", values, p.name, e.Name)
				}
				if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
					continue
				}
				secret, ok := m["Secret "+e.ValueFrom.SecretKeyRef.Name].(*core.Secret)
				if values == "own" {
					ok = e.ValueFrom.SecretKeyRef.Name == "mine"
				} else if ok {
					ok = len(secret.Data[e.ValueFrom.SecretKeyRef.Key]) >= 32
				}
				if !ok {
					t.Errorf("%s: %s: no secret has %s", values, p.name, e.ValueFrom.SecretKeyRef.Key)
				}
			}
		}
	}
}

// help builds a program of the main module, and returns what it says of its flags.
func help(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	directory := map[string]string{"patchbay": "./cmd/patchbay", "chat": "./examples/chat"}[program]
	binary := filepath.Join(t.TempDir(), program)
	build := exec.Command("go", "build", "-o", binary, directory)
	build.Dir = "../../.."
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	output, err := exec.Command(binary, append(arguments, "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(output)), " ")
}

// The shipped NATS configuration gets into the chart whole, and knows every password that the chart gives.
func TestNATSConfiguration(t *testing.T) {
	m := render(t, "")
	configuration := m["ConfigMap rel-nats"].(*core.ConfigMap).Data
	all := ""
	for _, name := range []string{"users.conf", "server.conf", "cluster.conf"} {
		shipped, err := os.ReadFile("../../nats/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(configuration[name]) != strings.TrimSpace(string(shipped)) {
			t.Errorf("%s is not the shipped one", name)
		}
		all += string(shipped)
	}
	given := map[string]bool{}
	for _, e := range m["StatefulSet rel-nats"].(*apps.StatefulSet).Spec.Template.Spec.Containers[0].Env {
		given[e.Name] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^[^#\n]*\$(PATCHBAY_[A-Z_]+)`).FindAllStringSubmatch(all, -1) {
		if !given[m[1]] {
			t.Errorf("NATS is not given %s", m[1])
		}
	}
}

// Whoever brings a NATS with TLS has every part know its authority and show a certificate, from the Secret that is mounted.
func TestExternalNATS(t *testing.T) {
	for _, p := range render(t, own).pods() {
		c, files := p.template.Spec.Containers[0], 0
		for _, e := range c.Env {
			if strings.HasPrefix(e.Value, c.VolumeMounts[0].MountPath+"/") {
				files++
			}
			if e.Name == "PATCHBAY_NATS" && e.Value != "tls://nats.example.com:4222" {
				t.Errorf("%s connects to %s", p.name, e.Value)
			}
		}
		if secret := p.template.Spec.Volumes[0].Secret; files != 3 || secret == nil || secret.SecretName != "nats-tls" {
			t.Errorf("%s has %d files of TLS from %v", p.name, files, secret)
		}
	}
}

// A secret that is in the values is used; of those made, no two are the same.
func TestSecrets(t *testing.T) {
	data := render(t, "secret: chosen")["Secret rel-patchbay-secrets"].(*core.Secret).Data
	if got := string(data["secret"]); got != "chosen" {
		t.Errorf("got %q, want the secret of the values", got)
	}
	seen := map[string]string{}
	for key, value := range data {
		if other := seen[string(value)]; other != "" {
			t.Errorf("%s and %s are the same", key, other)
		}
		seen[string(value)] = key
	}
}
