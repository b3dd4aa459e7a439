// Package configs is the settings that the product is shipped with.
package configs

import _ "embed"

// Policy is the shipped policy.
//
//go:embed policy.toml
var Policy []byte
