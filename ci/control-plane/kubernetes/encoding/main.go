// Command encoding prints how Go encodes the fields of every type that a Kubernetes API server
// serves: which appear although they are empty, and which are pointers. OpenAPI does not say it.
//
// The output is one JSON object: type name as in OpenAPI, then field name, then a letter and, but
// for plain types, the type as Go's error messages name it. See the package letters.
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"maestro.dev/ci/control-plane/kubernetes/letters"
)

type table map[string]map[string]string

func main() {
	types := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		scheme.AddToScheme, apiextensions.AddToScheme, apiregistration.AddToScheme,
	} {
		if err := add(types); err != nil {
			panic(err)
		}
	}
	found := table{}
	for _, t := range types.AllKnownTypes() {
		found.add(t)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(found); err != nil {
		panic(err)
	}
}

// add notes a type and every type that its fields lead to.
func (t table) add(of reflect.Type) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		t.add(of.Elem())
		return
	case reflect.Struct:
	default:
		return
	}
	name := openAPIName(of)
	if _, known := t[name]; known || encodesItself(of) {
		return
	}
	t[name] = map[string]string{}
	t.fields(name, of)
}

func (t table) fields(name string, of reflect.Type) {
	for i := range of.NumField() {
		field := of.Field(i)
		tag, tagged := field.Tag.Lookup("json")
		parts := strings.Split(tag, ",")
		if field.Anonymous && parts[0] == "" {
			t.fields(name, field.Type)
			continue
		}
		if !tagged || parts[0] == "-" || parts[0] == "" {
			continue
		}
		has := func(option string) bool {
			for _, part := range parts[1:] {
				if part == option {
					return true
				}
			}
			return false
		}
		said := letters.Of(field.Type, has("omitempty"), has("omitzero"), nullable(field.Type))
		if of := plain(field.Type); of.PkgPath() != "" || of.Name() == "" {
			said += " " + strings.TrimPrefix(of.String(), "*")
		}
		if said != "o" {
			t[name][parts[0]] = said
		}
		t.add(field.Type)
	}
}

// plain is the type without the pointer to it, which error messages do not show.
func plain(of reflect.Type) reflect.Type {
	if of.Kind() == reflect.Pointer {
		return of.Elem()
	}
	return of
}

// nullable tells structs that are null when unset: those that encode themselves, but for amounts.
func nullable(of reflect.Type) bool {
	return of.Kind() == reflect.Struct && encodesItself(of) &&
		of.Name() != "Quantity" && of.Name() != "IntOrString"
}

// encodesItself tells times, quantities and the like from structs that are their fields.
func encodesItself(of reflect.Type) bool {
	marshaler := reflect.TypeFor[json.Marshaler]()
	return of.Implements(marshaler) || reflect.PointerTo(of).Implements(marshaler)
}

// openAPIName is the type's name in OpenAPI: its package with the domain turned round.
func openAPIName(of reflect.Type) string {
	domain, path, _ := strings.Cut(of.PkgPath(), "/")
	words := strings.Split(domain, ".")
	for i, j := 0, len(words)-1; i < j; i, j = i+1, j-1 {
		words[i], words[j] = words[j], words[i]
	}
	return strings.Join(words, ".") + "." + strings.ReplaceAll(path, "/", ".") + "." + of.Name()
}
