// Command costs prints what rules over custom objects cost in an API server: at the most, by the
// estimate that is made of their definition, and when they run over a value; and what they come to.
//
//	go run ./costs < maestro-sim/src/structural/cel/cost/costs.txt
//
// A line of the input is `S name schema value`, which names a schema and a value of it, or
// `R most run result name rule`, a rule over that value. The output has both numbers and the result
// of each rule anew (`true`, `false`, or `error`); in the input they may be `-`. Schemas and values are JSON without spaces; those named `root…` are of
// whole objects.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

func structural(text string) (*schema.Structural, error) {
	var external extensions.JSONSchemaProps
	if err := json.Unmarshal([]byte(text), &external); err != nil {
		return nil, err
	}
	var internal apiextensions.JSONSchemaProps
	if err := extensions.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&external, &internal, nil); err != nil {
		return nil, err
	}
	return schema.NewStructural(&internal)
}

// costs says what a rule costs at the most and over a value.
func costs(s *schema.Structural, root bool, value, rule string) (string, string, string) {
	over := *s
	over.XValidations = extensions.ValidationRules{{Rule: rule}}
	decl := model.SchemaDeclType(&over, root)
	set := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	results, err := cel.Compile(&over, decl, celconfig.PerCallLimit, set, cel.StoredExpressionsEnvLoader())
	if err != nil || len(results) != 1 || results[0].Error != nil {
		fmt.Fprintln(os.Stderr, rule, err, results)
		return "-", "-", "-"
	}
	most := fmt.Sprint(results[0].MaxCost)
	var object any
	if err := utiljson.Unmarshal([]byte(value), &object); err != nil {
		fmt.Fprintln(os.Stderr, value, err)
		return most, "-", "-"
	}
	if root {
		over = *model.WithTypeAndObjectMeta(&over)
	}
	variables := map[string]any{"self": cel.UnstructuredToVal(object, &over)}
	found, details, err := results[0].Program.ContextEval(context.Background(), variables)
	if details == nil || details.ActualCost() == nil {
		return most, "-", "-"
	}
	result := "error"
	if err == nil {
		result = fmt.Sprint(found.Value())
	}
	return most, fmt.Sprint(*details.ActualCost()), result
}

func main() {
	schemas, values := map[string]*schema.Structural{}, map[string]string{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		words := strings.SplitN(lines.Text(), " ", 6)
		switch {
		case words[0] == "S" && len(words) == 4:
			s, err := structural(words[2])
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			schemas[words[1]], values[words[1]] = s, words[3]
			fmt.Println(lines.Text())
		case words[0] == "R" && len(words) == 6:
			name, rule := words[4], words[5]
			most, run, result := costs(schemas[name], strings.HasPrefix(name, "root"), values[name], rule)
			fmt.Println("R", most, run, result, name, rule)
		}
	}
}
