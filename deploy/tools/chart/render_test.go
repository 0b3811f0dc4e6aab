package chart

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

const path = "../../helm/patchbay"

// manifests are what a chart renders to, by "Kind name".
type manifests map[string]any

// empty returns a value of a kind, to decode into.
func empty(kind string) (any, bool) {
	switch kind {
	case "apps/v1 Deployment":
		return &apps.Deployment{}, true
	case "apps/v1 StatefulSet":
		return &apps.StatefulSet{}, true
	case "v1 Service":
		return &core.Service{}, true
	case "v1 ServiceAccount":
		return &core.ServiceAccount{}, true
	case "v1 Secret":
		return &core.Secret{}, true
	case "v1 ConfigMap":
		return &core.ConfigMap{}, true
	case "policy/v1 PodDisruptionBudget":
		return &policy.PodDisruptionBudget{}, true
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return &autoscaling.HorizontalPodAutoscaler{}, true
	case "networking.k8s.io/v1 Ingress":
		return &networking.Ingress{}, true
	case "networking.k8s.io/v1 NetworkPolicy":
		return &networking.NetworkPolicy{}, true
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return &monitoring.ServiceMonitor{}, true
	case "monitoring.coreos.com/v1 PrometheusRule":
		return &monitoring.PrometheusRule{}, true
	}
	return nil, false
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// render renders the chart with values, as Helm would install it, and decodes each manifest strictly: a field that Kubernetes does not
// know is an error.
func render(t *testing.T, values string) manifests {
	t.Helper()
	given := map[string]any{}
	if err := strict.Unmarshal([]byte(values), &given); err != nil {
		t.Fatal(err)
	}
	c := load(t)
	if err := chartutil.ProcessDependencies(c, given); err != nil {
		t.Fatal(err)
	}
	options := common.ReleaseOptions{Name: "rel", Namespace: "default", Revision: 1, IsInstall: true}
	all, err := commonutil.ToRenderValues(c, given, options, common.DefaultCapabilities.Copy())
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := engine.Engine{Strict: true}.Render(c, all)
	if err != nil {
		t.Fatal(err)
	}
	found := manifests{}
	for name, text := range rendered {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
		for {
			document, err := reader.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := found.add(document); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
		}
	}
	return found
}

func (m manifests) add(document []byte) error {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := strict.Unmarshal(document, &head); err != nil {
		return err
	}
	if head.Kind == "" {
		if len(bytes.TrimSpace(document)) > 0 && !onlyComments(document) {
			return fmt.Errorf("a manifest without a kind")
		}
		return nil
	}
	object, ok := empty(head.APIVersion + " " + head.Kind)
	if !ok {
		return fmt.Errorf("no schema for %s %s", head.APIVersion, head.Kind)
	}
	if err := strict.UnmarshalStrict(document, object); err != nil {
		return err
	}
	key := head.Kind + " " + head.Metadata.Name
	if m[key] != nil {
		return fmt.Errorf("%s is there twice", key)
	}
	m[key] = object
	return nil
}

func onlyComments(document []byte) bool {
	for line := range strings.Lines(string(document)) {
		if text := strings.TrimSpace(line); text != "" && text != "---" && !strings.HasPrefix(text, "#") {
			return false
		}
	}
	return true
}
