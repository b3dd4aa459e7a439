package console

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestTheAlertsAreOfMetricsThatThereAre reads the shipped rules: names of metrics, and labels in their texts.
func TestTheAlertsAreOfMetricsThatThereAre(t *testing.T) {
	rules, err := os.ReadFile("../../../configs/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc, 1000)
	(&metrics{}).Describe(descs)
	close(descs)
	var names []string
	labels := []string{"instance"} // of every target
	for d := range descs {
		names = append(names, regexp.MustCompile(`fqName: "([^"]*)"`).FindStringSubmatch(d.String())[1])
		of := regexp.MustCompile(`variableLabels: \{([^}]*)\}`).FindStringSubmatch(d.String())[1]
		labels = append(labels, strings.Split(of, ",")...)
	}
	used := regexp.MustCompile(`sipsieve_\w+`).FindAllString(string(rules), -1)
	if len(used) < 5 {
		t.Errorf("metrics = %v, want those of the rules", used)
	}
	for _, name := range used {
		if !slices.Contains(names, name) {
			t.Errorf("there is no metric %s", name)
		}
	}
	for _, label := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(string(rules), -1) {
		if !slices.Contains(labels, label[1]) {
			t.Errorf("there is no label %s", label[1])
		}
	}
}
