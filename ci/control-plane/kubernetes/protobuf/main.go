// Command protobuf prints how the kinds that a Kubernetes API server serves look in protobuf: the
// numbers and types that stand in the generated.proto files of k8s.io/api, k8s.io/apimachinery,
// k8s.io/apiextensions-apiserver and k8s.io/kube-aggregator, as the tags of their Go structs
// repeat them, beside the names that the same fields have in JSON.
//
//	go run ./protobuf < maestro-sim/src/facts/1.37.txt > maestro-sim/src/protobuf/1.37.txt
//
// The table of facts on the input says which groups and versions are served. The output has two
// sorts of lines:
//
//	K apiVersion kind message
//	M message number:name:letter:type:Name …
//
// The fields of a message stand in the order of its Go struct, in which Go writes JSON. The letter
// says how JSON shows a field that is not set; see the package letters. A field without a name is
// a struct whose fields JSON shows as the outer one's. The type is a scalar, a message, or one that
// JSON writes in a way of its own (`!time`, `!quantity`, …), after `*` for a pointer, `[]` for a
// list, `{}` for a map by strings. The name in Go follows where it is not the one in JSON with a
// capital letter.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	discovery "k8s.io/api/apidiscovery/v2"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"maestro.dev/ci/control-plane/kubernetes/letters"
)

// special names the types that encode themselves.
var special = map[reflect.Type]string{
	reflect.TypeFor[apiextensions.JSON]():                         "!raw",
	reflect.TypeFor[apiextensions.JSONSchemaPropsOrArray]():       "!schema-or-array",
	reflect.TypeFor[apiextensions.JSONSchemaPropsOrBool]():        "!schema-or-bool",
	reflect.TypeFor[apiextensions.JSONSchemaPropsOrStringArray](): "!schema-or-strings",
	reflect.TypeFor[intstr.IntOrString]():                         "!int-or-string",
	reflect.TypeFor[meta.FieldsV1]():                              "!raw",
	reflect.TypeFor[meta.MicroTime]():                             "!micro-time",
	reflect.TypeFor[meta.Time]():                                  "!time",
	reflect.TypeFor[resource.Quantity]():                          "!quantity",
	reflect.TypeFor[runtime.RawExtension]():                       "!raw",
}

type table struct {
	messages map[string]string
	of       map[string]reflect.Type
}

func main() {
	types := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		scheme.AddToScheme, apiextensions.AddToScheme, apiregistration.AddToScheme,
		discovery.AddToScheme, meta.AddMetaToScheme,
	} {
		if err := add(types); err != nil {
			panic(err)
		}
	}
	served := groupVersions()
	served[discovery.SchemeGroupVersion] = true
	served[meta.SchemeGroupVersion] = true
	found := table{map[string]string{}, map[string]reflect.Type{}}
	lines := []string{}
	for kind, of := range types.AllKnownTypes() {
		// A Table has no protobuf.
		if !isMessage(of) {
			continue
		}
		own := of.PkgPath() != reflect.TypeFor[meta.Status]().PkgPath()
		if !served[kind.GroupVersion()] || kind.Version == runtime.APIVersionInternal {
			continue
		}
		// Options and the like are registered in every group: one entry is enough.
		if !own && kind.Group != meta.GroupName && !(kind.Group == "" && unversioned(types, of)) {
			continue
		}
		name := found.add(of)
		lines = append(lines, fmt.Sprintf("K %s %s %s", kind.GroupVersion(), kind.Kind, name))
	}
	for name, message := range found.messages {
		lines = append(lines, "M "+name+message)
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
}

func unversioned(types *runtime.Scheme, of reflect.Type) bool {
	object, ok := reflect.New(of).Interface().(runtime.Object)
	if !ok {
		return false
	}
	is, _ := types.IsUnversioned(object)
	return is
}

// groupVersions are those of the resources in a table of facts.
func groupVersions() map[schema.GroupVersion]bool {
	served := map[schema.GroupVersion]bool{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		text, is := strings.CutPrefix(lines.Text(), "R ")
		if !is {
			continue
		}
		type names struct{ Group, Version string }
		var entry struct {
			names
			Subresources []struct{ ResponseKind names }
		}
		if err := json.Unmarshal([]byte(text), &entry); err != nil {
			panic(err)
		}
		served[schema.GroupVersion(entry.names)] = true
		for _, sub := range entry.Subresources {
			served[schema.GroupVersion(sub.ResponseKind)] = true
		}
	}
	if lines.Err() != nil {
		panic(lines.Err())
	}
	return served
}

// add notes a struct and every struct that its fields lead to, and answers its name: that of the
// message, without the part of the package that all have in common.
func (t table) add(of reflect.Type) string {
	words := strings.Split(of.PkgPath(), "/")
	name := strings.Join(append(words[max(0, len(words)-2):], of.Name()), ".")
	if known, is := t.of[name]; is {
		if known != of {
			panic("two messages have the name " + name)
		}
		return name
	}
	t.of[name] = of
	line := ""
	for i := range of.NumField() {
		number, text := t.field(of.Field(i))
		if number != 0 {
			line += fmt.Sprintf(" %d:%s", number, text)
		}
	}
	t.messages[name] = line
	return name
}

func (t table) field(field reflect.StructField) (int, string) {
	tag, tagged := field.Tag.Lookup("protobuf")
	if !tagged {
		return 0, ""
	}
	words := strings.Split(tag, ",")
	number, err := strconv.Atoi(words[1])
	if err != nil {
		panic(err)
	}
	options := strings.Split(field.Tag.Get("json"), ",")
	omitEmpty := slices.Contains(options[1:], "omitempty")
	omitZero := slices.Contains(options[1:], "omitzero")
	letter := letters.Of(field.Type, omitEmpty, omitZero, nullable(field.Type))
	text := options[0] + ":" + letter + ":" + t.name(field.Type)
	if name := options[0]; name == "" || strings.ToUpper(name[:1])+name[1:] != field.Name {
		text += ":" + field.Name
	}
	return number, text
}

func (t table) name(of reflect.Type) string {
	if name, is := special[of]; is {
		return name
	}
	_, encodesItself := reflect.New(of).Interface().(json.Marshaler)
	message := isMessage(of)
	switch of.Kind() {
	case reflect.Pointer:
		return "*" + t.name(of.Elem())
	case reflect.Slice:
		switch {
		case of.Elem().Kind() == reflect.Uint8:
			return "bytes"
		// A list that stands where there may be no list in a list.
		case message && of.Elem().Kind() == reflect.String:
			return "!items"
		case !message:
			return "[]" + t.name(of.Elem())
		}
	case reflect.Map:
		if !message && of.Key().Kind() == reflect.String {
			return "{}" + t.name(of.Elem())
		}
	case reflect.Struct:
		if !encodesItself && message {
			return t.add(of)
		}
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float64:
		return of.Kind().String()
	}
	panic(fmt.Sprintf("no word for %v", of))
}

func isMessage(of reflect.Type) bool {
	_, is := reflect.New(of).Interface().(interface{ Marshal() ([]byte, error) })
	return is
}

// nullable tells structs that are null when unset: those that encode themselves, but for amounts.
func nullable(of reflect.Type) bool {
	name, encodesItself := special[of]
	return encodesItself && name != "!quantity" && name != "!int-or-string"
}
