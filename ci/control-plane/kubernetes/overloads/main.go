// Command overloads prints the functions that CEL expressions may call in an API server, an
// overload a line, in the order in which the type checker tries them: the name, `.` for a method
// or `-` for a function, what the overload is called, the type of its value and those of its
// operands.
//
//	go run ./overloads > maestro-sim/src/structural/cel/typed/functions.txt
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

func main() {
	version := environment.DefaultCompatibilityVersion()
	base := environment.MustBaseEnvSet(version).StoredExpressionsEnv()
	// What mutating policies have besides.
	env, err := base.Extend(library.JSONPatch())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	functions := env.Functions()
	names := make([]string, 0, len(functions))
	for name := range functions {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, overload := range functions[name].OverloadDecls() {
			style := "-"
			if overload.IsMemberFunction() {
				style = "."
			}
			kinds := append([]*cel.Type{overload.ResultType()}, overload.ArgTypes()...)
			line := []string{name, style, overload.ID()}
			for _, kind := range kinds {
				line = append(line, strings.ReplaceAll(kind.String(), " ", ""))
			}
			fmt.Println(strings.Join(line, " "))
		}
	}
}
