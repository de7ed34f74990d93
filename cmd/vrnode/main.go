// Command vrnode runs, forms, asks and measures groups of replicas. See README.md.
package main

import "os"

func main() { os.Exit(execute(os.Args[1:])) }
