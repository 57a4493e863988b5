// Command accepts says what the API server of an old Kubernetes has against a CustomResourceDefinition: the same checks,
// with the estimate of what its CEL rules cost, which is stricter there than in a new one.
//
// It reads the definition as YAML from standard input and writes an error a line; its exit code is 1 where there is one.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	exitOn(err)
	given := &v1.CustomResourceDefinition{}
	exitOn(yaml.UnmarshalStrict(text, given))
	scheme := runtime.NewScheme()
	install.Install(scheme)
	scheme.Default(given)
	definition := &apiextensions.CustomResourceDefinition{}
	exitOn(scheme.Convert(given, definition, nil))
	// What the server itself fills in before it validates.
	definition.Status.StoredVersions = []string{definition.Spec.Versions[0].Name}
	found := validation.ValidateCustomResourceDefinition(context.Background(), definition)
	for _, problem := range found {
		fmt.Println(problem)
	}
	if len(found) > 0 {
		os.Exit(1)
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
