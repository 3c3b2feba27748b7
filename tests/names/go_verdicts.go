// SPDX-License-Identifier: Apache-2.0
// Verdicts of crypto/x509 on NAME.root and NAME.chain (leaf first) of a folder, beside NAME.want: "+" or "-".

//go:build ignore

package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func certificates(path string) []*x509.Certificate {
	var all []*x509.Certificate
	rest, err := os.ReadFile(path)
	for block := (*pem.Block)(nil); err == nil; {
		if block, rest = pem.Decode(rest); block == nil {
			return all
		}
		var one *x509.Certificate
		if one, err = x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, one)
		}
	}
	fmt.Fprintln(os.Stderr, path, err)
	return nil
}

func verdict(name string) string {
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	root, chain := certificates(name+".root"), certificates(name+".chain")
	if root == nil || chain == nil {
		return "- cannot be parsed"
	}
	roots.AddCert(root[0])
	for _, other := range chain[1:] {
		others.AddCert(other)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: others,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return "- " + err.Error()
	}
	return "+"
}

func main() {
	wants, _ := filepath.Glob(os.Args[1] + "/*.want")
	wrong := 0
	for _, path := range wants {
		name := strings.TrimSuffix(path, ".want")
		want, _ := os.ReadFile(path)
		got := verdict(name)
		mark := ""
		if got[:1] != string(want) {
			mark = ", but the table has " + string(want)
			wrong++
		}
		fmt.Printf("%-60s %s%s\n", filepath.Base(name), got, mark)
	}
	fmt.Printf("%d chains, %d not as the table has it\n", len(wants), wrong)
	if wrong > 0 || len(wants) == 0 {
		os.Exit(1)
	}
}
