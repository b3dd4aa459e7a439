package main

import (
	"fmt"
	"strings"
)

// warnings returns what c allows and its operator should know, a line each: check, doctor and the start say it.
func (c *config) warnings() (list []string) {
	for i, s := range c.Source {
		if s.Type == "hep" && s.Insecure {
			list = append(list, fmt.Sprintf("%s.insecure: any user who can reach the feed can forge calls: want key_file",
				sourceKey(i)))
		}
	}
	if text := c.unplaced(); text != "" {
		list = append(list, "region: "+text)
	}
	return list
}

// unplaced says which numbers cannot be told for want of a region, "" if all can.
func (c *config) unplaced() string {
	if c.Region != "" {
		return ""
	}
	var without []string
	for _, t := range c.Trunk {
		if t.Region == "" {
			without = append(without, t.Name)
		}
	}
	switch {
	case len(c.Trunk) == 0:
		return "without a region, numbers that are dialled without + are non_e164"
	case len(without) > 0:
		return fmt.Sprintf("neither it nor that of trunk %s is set: numbers that are dialled there without + are non_e164",
			strings.Join(without, ", "))
	}
	return ""
}
