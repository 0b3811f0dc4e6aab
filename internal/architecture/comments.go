package architecture

import (
	"go/ast"
	"go/token"
)

// checkComments wants a comment on every exported type, function, method, constant and
// variable. One on a group of constants or variables speaks for all of them.
func checkComments(s *Source) []Fault {
	if s.Test {
		return nil
	}
	var found []Fault
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
				found = append(found, s.fault("comment", d.Pos(), "%s has no comment", d.Name.Name)...)
			}
		case *ast.GenDecl:
			if d.Tok != token.IMPORT {
				found = append(found, s.checkGroup(d)...)
			}
		}
	}
	return found
}

func (s *Source) checkGroup(d *ast.GenDecl) []Fault {
	var found []Fault
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			documented := spec.Doc != nil || spec.Comment != nil || d.Doc != nil
			if spec.Name.IsExported() && !documented {
				found = append(found, s.fault("comment", spec.Pos(), "%s has no comment", spec.Name.Name)...)
			}
		case *ast.ValueSpec:
			documented := spec.Doc != nil || spec.Comment != nil || d.Doc != nil
			for _, name := range spec.Names {
				if name.IsExported() && !documented {
					found = append(found, s.fault("comment", name.Pos(), "%s has no comment", name.Name)...)
				}
			}
		}
	}
	return found
}

// exportedReceiver reports whether a function is one that others can call: no method, or a method of
// an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	expression := d.Recv.List[0].Type
	for {
		switch e := expression.(type) {
		case *ast.StarExpr:
			expression = e.X
		case *ast.IndexExpr:
			expression = e.X
		case *ast.IndexListExpr:
			expression = e.X
		case *ast.Ident:
			return e.IsExported()
		default:
			return false
		}
	}
}
